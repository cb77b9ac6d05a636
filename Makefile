# Every target sets up what it needs: a virtual environment and the pinned packages, once.
.DEFAULT_GOAL := help
.PHONY: help setup demo test cover lint docs audit bench consumers faults mutants

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := build/audit
READY := $(VENV)/.ready
# What commands import after their start, from the folder of installed packages.
LATE := alembic cryptography duckdb git gitdb ibis importlib_metadata mako markupsafe opentelemetry pyarrow rich smmap \
	sqlalchemy sqlglot typer PIL $(addprefix mlflow/,entities genai/scorers models pyfunc store tracing tracking types utils)

help:
	@echo "make demo       score 23,570 real customers, from raw purchases to published scores"
	@echo "make test       run all tests"
	@echo "make cover      run all tests and say which lines none of them runs; slower by half"
	@echo "make lint       check style, types and the direction of imports"
	@echo "make docs       build the site of docs into site, without a warning"
	@echo "make audit      write a bill of materials (build/sbom.json), and look for known holes in what is locked; asks PyPI"
	@echo "make bench      time the job beside its peers, and judge the NPS on customers of known truth: an hour and a half"
	@echo "make consumers  check the schedules on a Prefect server, tables in PostgreSQL, the report and the app in a browser, the wheel, and what consumers get in environments of theirs"
	@echo "make faults     kill commands while they write, fill the disk, stop servers, give broken input: two hours"
	@echo "make mutants    put small faults into the code, one at a time, and count those that no test finds: an hour"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[^ ]+' requirements.lock)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@# Compiles what the commands import, once, even where the environment tells Python not to write bytecode.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c "import flows.backtest, flows.command.main, flows.deployed, \
		lightgbm, matplotlib.backends.backend_agg, mlflow.pyfunc, sklearn.cluster, sklearn.linear_model"
	@cd "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" && \
		PYTHONDONTWRITEBYTECODE= $(CURDIR)/$(BIN)/python -m compileall -q -j 2 $(LATE)
	@# A new store copies this database, which MLflow takes half a second to build.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m models.registry.upkeep.template
	@touch $(READY)

demo: $(READY)
	@$(BIN)/revealed demo

# Two workers share the cores: threads of their own would only wait for each other.
test: $(READY)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

cover: $(READY)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m features.catalogue --check

# The pages of docs and the reference from docstrings; tests/consumers/test_docs.py looks at what is built.
docs: $(READY)
	$(BIN)/zensical build --clean --strict

# Its tools live in an environment of their own. A package that cannot be looked up ends it with an error, too: silence
# would look like safety. AUDIT_SERVICE=osv asks another service.
audit: $(READY)
	@test -x $(AUDIT)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(AUDIT)
	@$(BIN)/uv pip sync --quiet --python $(AUDIT)/bin/python --require-hashes audit.lock
	$(AUDIT)/bin/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--of JSON --output-file build/sbom.json
	$(AUDIT)/bin/pip-audit --strict --disable-pip --progress-spinner off \
		--vulnerability-service $(or $(AUDIT_SERVICE),pypi) --requirement requirements.lock

# With OLIST=FOLDER, the folder of the public Olist files, the NPS category is judged on real reviews too. With
# ONLINE_RETAIL=FOLDER and GROCERY=FOLDER purchases are judged on the real shops of these names. With MILLION=1 the NPS
# of bases of a million customers is judged, which takes some minutes more.
bench: $(READY)
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python -m benchmarks.whole.run
	@$(BIN)/python -m benchmarks.purchases.season $(if $(ONLINE_RETAIL),--online-retail $(ONLINE_RETAIL))
	@$(BIN)/python -m benchmarks.purchases.any_shop $(if $(ONLINE_RETAIL),--online-retail $(ONLINE_RETAIL))
	@$(BIN)/python -m benchmarks.purchases.second_stage $(if $(ONLINE_RETAIL),--online-retail $(ONLINE_RETAIL)) $(if $(GROCERY),--grocery $(GROCERY))
	@$(BIN)/python -m benchmarks.nps.category
	@$(BIN)/python -m benchmarks.nps.base
	@$(BIN)/python -m benchmarks.nps.change --replicates 100
	@$(BIN)/python -m benchmarks.nps.sample --replicates 100
	@$(BIN)/python -m benchmarks.nps.who_answers
	@$(if $(MILLION),$(BIN)/python -m benchmarks.nps.who_answers --customers 1000000 --replicates 1 --worlds visible "half hidden")
	@$(BIN)/python -m benchmarks.nps.two_intervals
	@$(BIN)/python -m benchmarks.nps.everyone
	@$(BIN)/python -m benchmarks.nps.gave_everything_back
	@$(BIN)/python -m benchmarks.nps.whole_shops
	@$(if $(OLIST),$(BIN)/python -m benchmarks.nps.olist $(OLIST))

# Starts servers and builds environments, so it is apart from make test.
consumers: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs tests/consumers

# Kills processes, and mounts a disk in memory where it may. FAULTS_SEED, FAULTS_KILLS, FAULTS_MINUTES, FAULTS_ROUNDS
# and FAULTS_EXAMPLES (of broken inputs of each kind) say which numbers are drawn, and how many.
faults: $(READY)
	$(BIN)/python -m pytest -s -rs tests/faults

# Judges the tests. MUTANTS names groups of benchmarks/mutants/judged.toml, and may say --sample and --seed.
mutants: $(READY)
	$(BIN)/python -m benchmarks.mutants.run $(MUTANTS)
