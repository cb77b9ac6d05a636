"""What a retraining learns from where the tables lie on a cluster: whole customers, who are drawn and written there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import ibis
import ibis.expr.types as ir

from data.intake.cluster.session import ClusterBackend
from data.intake.sql import quote
from features.returns.matching import NO_RETURNS
from features.spine import everyone, is_drawn
from features.tables import ENGINE_MEMORY, Tables, open_tables
from flows.settings import TABLES, Settings
from flows.steps.cluster.inputs import take_cluster_inputs
from flows.steps.cluster.place import cluster_of_run
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from models.registry.tracking import Run

# A retraining of a million customers takes 3.6 GB; half of them leave room for shops with longer histories.
MOST_CUSTOMERS = 500_000


def take_learning_inputs(run: Run, settings: Settings, most: int = MOST_CUSTOMERS) -> Inputs:
    """Check the tables on the cluster, and bring those customers to this machine that a retraining learns from.

    All rows of a customer come or none. Customers are drawn by a hash of their ids, the same on each engine, so the
    next retraining learns from the same ones and who has come since.

    Parameters
    ----------
    run : Run
        The retraining; the tables are put into its folder.
    settings : Settings
        They name the tables of the cluster.
    most : int
        Customers with a purchase who come at most, but for chance (3 standard errors: .4 % of 500,000).

    Returns
    -------
    Inputs
        The tables on this machine. The intake's report is of everyone, with a note where fewer were drawn.

    Raises
    ------
    InputError, RefusedError
        As `take_cluster_inputs` raises them.
    """
    with cluster_of_run(settings, run.run_id) as cluster:
        inputs = take_cluster_inputs(run, settings, cluster)
        customers = int(everyone(inputs.tables.transactions, inputs.as_of).table.count().to_pyarrow().as_py())
        share = min(most / max(customers, 1), 1.0)
        with step("bring the customers to learn from to this machine"):
            bring(cluster.backend, _given(inputs.tables), share, settings.seed, inputs.intake.folder)
    tables = open_tables(inputs.intake.folder)
    if share == 1.0:
        return replace(inputs, tables=tables)
    drawn = int(everyone(tables.transactions, inputs.as_of).table.count().to_pyarrow().as_py())
    note = (
        f"Learned from {drawn:,} of {customers:,} customers, drawn by a hash of their ids: totals of this retraining "
        "are of those."
    )
    return Inputs(tables, replace(inputs.intake, notes=(*inputs.intake.notes, note)), inputs.as_of)


def bring(backend: ClusterBackend, tables: Mapping[str, ir.Table], share: float, seed: int, folder: Path) -> None:
    """Copy the rows of drawn customers from the cluster into clean Parquet files of a folder on this machine.

    The cluster draws them and writes them into the folder of the run, which it shares with this machine; the embedded
    engine reads them there, batch by batch.

    Parameters
    ----------
    backend
        The session with the cluster.
    tables
        Clean tables of the cluster by name.
    share
        Of the customers, 0 to 1.
    seed
        Another seed draws others.
    folder
        Where the files are put, as the intake of files names them.
    """
    engine = ibis.duckdb.connect(memory_limit=ENGINE_MEMORY)
    engine.raw_sql("SET TimeZone = 'UTC'")
    for name, table in tables.items():
        place = backend.write(table.filter(is_drawn(table.customer_id, share, seed)), f"drawn_{name}")
        written = engine.read_parquet(f"{place}/*.parquet") if any(place.glob("*.parquet")) else None
        rows = ibis.memtable([], schema=table.schema()) if written is None else written.cast(table.schema())
        target = quote(str(folder / f"{name}.parquet"))
        engine.raw_sql(f"COPY ({engine.compile(rows)}) TO {target} (FORMAT parquet, COMPRESSION zstd)")
    engine.disconnect()


def _given(tables: Tables) -> dict[str, ir.Table]:
    given = {name: getattr(tables, name) for name in TABLES}
    # Whether anything was returned is seen again of the customers drawn.
    return {
        name: table.drop(*({NO_RETURNS} & set(table.columns))) for name, table in given.items() if table is not None
    }
