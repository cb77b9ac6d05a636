"""A template of a new store's database: MLflow builds its tables by some fifty migrations, and a copy takes no time.

``python -m models.registry.upkeep.template`` makes it in the virtual environment, for the MLflow installed there;
`make setup` does. Where there is none, MLflow builds the tables anew for each store.
"""

import sqlite3
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from mlflow.tracking import MlflowClient


def template_file() -> Path:
    """Return where the template of the installed MLflow is, or would be."""
    return Path(sys.prefix) / "share" / "revealed" / f"mlflow-{version('mlflow')}.db"


def make_template(file: Path) -> None:
    """Make a database with MLflow's tables and nothing in them.

    Parameters
    ----------
    file : Path
        Where; a file that is there is replaced in one move.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    uri = f"sqlite:///{draft}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.search_experiments()
    client._tracking_client.store.engine.dispose()
    with closing(sqlite3.connect(draft)) as connection, connection:
        # MLflow's own experiment names a folder of the place where it was made: each store makes it anew.
        connection.execute("DELETE FROM experiments")
    draft.replace(file)


if __name__ == "__main__":
    make_template(template_file())
