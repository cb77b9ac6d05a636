"""What a command leaves out is there for whoever asks for it later."""

import subprocess
import sys

ASK = """
import sys
from flows.lean_imports import import_lean, import_trees_only, join_what_is_left_out, without_spark
import_lean()
import_trees_only()
import ibis, lightgbm
with without_spark():
    import mlflow.pyfunc, mlflow.store.tracking.sqlalchemy_store
join_what_is_left_out()
assert ibis.duckdb.connect().execute(ibis.literal(1) + 1) == 2
heavy = {"pyspark", "sklearn", "pygments", "fastapi", "mlflow.genai.judges.builtin"}
heavy.add("ibis.backends.sql.compilers.snowflake")
print(sorted(heavy & set(sys.modules)))
import pyspark.sql, sklearn.cluster, scipy.stats
print("scipy.stats._stats_py" in sys.modules, sklearn.metrics._ranking.rankdata([5, 4, 4]).tolist())
import sklearn.covariance._robust_covariance as covariance
assert scipy.stats.rankdata([2, 1]).tolist() == [2, 1] and covariance.chi2.isf(1, 1) == 0.0
assert callable(mlflow.genai.evaluate) and mlflow.genai.scorers.Guidelines and mlflow.gateway.get_gateway_uri
from ibis.backends.sql.compilers import PySparkCompiler
import ibis.backends.sql.compilers as compilers
print(PySparkCompiler.__name__, compilers.snowflake.compiler.dialect.__name__, hasattr(compilers, "nothing"))
"""


def test_what_is_left_out_comes_when_it_is_asked_for():
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["[]", "False [3.0, 1.5, 1.5]", "PySparkCompiler Snowflake False"], done.stderr
