"""Telemetry is off before MLflow or Prefect is imported, and no import reaches the network."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SWITCHES = {
    "mlflow": {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"},
    "prefect": {"DO_NOT_TRACK": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
}

# Imports all modules for real, and prints whom anything tried to reach. Then imports each module alone, in a fork that
# has everything but the project and finds MLflow and Prefect as if they had never been imported; it prints what the
# environment said when they were first looked for.
IMPORTS = """
import gc, importlib, importlib.machinery, json, os, socket, sys

gc.disable()  # Thousands of imports are faster without it.
switches, modules = json.loads(sys.argv[1]), sys.argv[2:]
names = sorted({name for switch in switches.values() for name in switch})
reached = []

def refuse(*address):
    reached.append(str(address))
    raise OSError("this test has no network")

socket.socket.connect = socket.getaddrinfo = refuse
for module in modules:
    importlib.import_module(module)
print(json.dumps(["all of them", reached, sorted(switches.keys() & sys.modules.keys())]))

def take_out(*tops):
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in tops}

take_out("data", "features", "models", "flows")
libraries = {library: take_out(library) for library in switches}
for name in names:
    del os.environ[name]

class Watch:
    def __init__(self):
        self.environment = {}

    def find_spec(self, name, path=None, target=None):
        if name not in libraries:
            return None
        self.environment[name] = {key: os.environ.get(key) for key in names}
        sys.modules.update({other: module for other, module in libraries[name].items() if other != name})
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return libraries[spec.name][spec.name]

    def exec_module(self, module):
        pass

watch = Watch()
sys.meta_path.insert(0, watch)
for module in modules:
    sys.stdout.flush()
    if os.fork() == 0:
        importlib.import_module(module)
        print(json.dumps([module, reached, watch.environment]), flush=True)
        os._exit(0)
    os.wait()
"""


def modules():
    """List the modules that may reach MLflow or Prefect, as import-linter holds, and one that may not."""
    packages = ("flows", "models/registry", "models/scoring")
    files = [ROOT / "data" / "contracts.py", *(file for package in packages for file in (ROOT / package).rglob("*.py"))]
    return sorted(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files)


def test_each_module_alone_has_telemetry_off_before_mlflow_and_prefect_and_reaches_no_network():
    names = {name for switch in SWITCHES.values() for name in switch}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, json.dumps(SWITCHES), *modules()],
        env={name: value for name, value in os.environ.items() if name not in names},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    everything, *alone = (json.loads(line) for line in done.stdout.splitlines())
    assert everything == ["all of them", [], ["mlflow", "prefect"]]
    assert [module for module, _, _ in alone] == modules(), done.stderr[-3000:]
    for module, reached, environments in alone:
        assert not reached, f"{module} reaches for the network"
        for library, environment in environments.items():
            assert SWITCHES[library].items() <= environment.items(), f"{module} imports {library} without its switches"
    seen_by = {module: set(environments) for module, _, environments in alone}
    assert seen_by["data.contracts"] == set()
    assert seen_by["models.registry.publication"] == {"mlflow"}
    assert seen_by["flows.retrain"] == seen_by["flows.command.running"] | {"mlflow"} == {"mlflow"}
    assert seen_by["flows.deployed"] == {"mlflow", "prefect"}
