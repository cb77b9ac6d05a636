"""What a retraining learns from where the tables lie on a cluster: counts of everyone, and rows of customers drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import ibis
import ibis.expr.types as ir

from data.intake.cluster.session import ClusterBackend
from data.intake.sql import quote
from features.returns.matching import NO_RETURNS
from features.spine import everyone, is_drawn, left_joined, midnight
from features.tables import ENGINE_MEMORY, Sample, Tables, open_tables
from flows.settings import TABLES, Settings
from flows.steps.cluster.inputs import take_cluster_inputs
from flows.steps.cluster.place import cluster_of_run
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from flows.steps.recipe_choice import CUTOFFS
from models.purchases.counts import count_at, take_over
from models.recipe import DEFAULT_HORIZON
from models.registry.tracking import Run

_SURVEYED = "surveyed"


@dataclass(frozen=True)
class Shares:
    """Who is brought: the share of all customers, and that of those who answered, at least as large."""

    customers: float
    respondents: float


def take_learning_inputs(run: Run, settings: Settings) -> Inputs:
    """Check the tables on the cluster, and bring to this machine what a retraining learns from.

    All rows of a customer come or none. At most `learn_from` customers are drawn by a hash of their ids, the same on
    each engine, so the next retraining learns from the same ones and who has come since; beside them come those who
    answered, as many again at most. Of a larger shop the purchase histories of everyone are counted on the cluster.

    Parameters
    ----------
    run : Run
        The retraining; the tables are put into its folder.
    settings : Settings
        They name the tables of the cluster.

    Returns
    -------
    Inputs
        The tables on this machine. The intake's report is of everyone, with a note where fewer were drawn.

    Raises
    ------
    InputError, RefusedError
        As `take_cluster_inputs` raises them.
    """
    with cluster_of_run(run.store, settings, run.run_id) as cluster:
        inputs = take_cluster_inputs(run, settings, cluster)
        there, backend, folder = inputs.tables, cluster.backend, inputs.intake.folder
        customers = int(everyone(there.transactions, inputs.as_of).table.count().to_pyarrow().as_py())
        share = min(settings.learn_from / max(customers, 1), 1.0)
        if share == 1.0:
            with step("bring the customers to learn from to this machine"):
                bring(backend, _given(there), folder)
            return replace(inputs, tables=open_tables(folder))
        with step(f"count the purchases of {customers:,} customers on the cluster"):
            counts = {day: count_at(there, day) for day in _dates(run.kind, settings, inputs)}
        with step("bring the customers to learn from to this machine"):
            shares = _bring_sample(backend, inputs, share, settings)
    tables = _open_sample(folder, shares)
    for day, of_everyone in counts.items():
        take_over(tables, day, of_everyone)
    drawn = int(everyone(tables.transactions, inputs.as_of).table.count().to_pyarrow().as_py())
    note = (
        f"Purchases and spend are fitted on all {customers:,} customers; all else is learned from {drawn:,} of them, "
        f"drawn by a hash of their ids, and from {_of_those_who_answered(shares)}. Totals of this retraining are of "
        "those drawn."
    )
    return Inputs(tables, replace(inputs.intake, notes=(*inputs.intake.notes, note)), inputs.as_of)


def bring(backend: ClusterBackend, tables: Mapping[str, ir.Table], folder: Path) -> None:
    """Copy tables from the cluster into clean Parquet files of a folder on this machine.

    The cluster writes them into the folder of the run, which it shares with this machine; the embedded engine reads
    them there, batch by batch.

    Parameters
    ----------
    backend
        The session with the cluster.
    tables
        Tables of the cluster by name.
    folder
        Where the files are put, as the intake of files names them.
    """
    engine = ibis.duckdb.connect(memory_limit=ENGINE_MEMORY)
    engine.raw_sql("SET TimeZone = 'UTC'")
    for name, table in tables.items():
        place = backend.write(table, f"brought_{name}")
        written = engine.read_parquet(f"{place}/*.parquet") if any(place.glob("*.parquet")) else None
        rows = ibis.memtable([], schema=table.schema()) if written is None else written.cast(table.schema())
        _copy(engine, rows, folder / f"{name}.parquet")
    engine.disconnect()


def _bring_sample(backend: ClusterBackend, inputs: Inputs, share: float, settings: Settings) -> Shares:
    """Bring the customers drawn and those who answered into a folder of their own, and put the former apart."""
    there, folder, seed = inputs.tables, inputs.intake.folder, settings.seed
    tables, surveyed = _given(there), folder / _SURVEYED
    if there.answers is None:
        drawn = {name: table.filter(is_drawn(table.customer_id, share, seed)) for name, table in tables.items()}
        bring(backend, drawn, folder)
        return Shares(share, share)
    ids = _who_answered(there.answers, settings, inputs.as_of)
    who_answered = backend.keep(ids.mutate(has_answered=True), "who_answered")
    number = int(who_answered.count().to_pyarrow().as_py())
    shares = Shares(share, max(share, min(settings.learn_from / max(number, 1), 1.0)))
    surveyed.mkdir()
    bring(backend, {name: _of_drawn(table, who_answered, shares, seed) for name, table in tables.items()}, surveyed)
    engine = ibis.duckdb.connect(memory_limit=ENGINE_MEMORY)
    for name in tables:
        rows = engine.read_parquet(surveyed / f"{name}.parquet")
        # Who is not drawn has no purchase among these, and so no part in anything but as an answer of the survey.
        chosen = rows if name == "answers" else rows.filter(is_drawn(rows.customer_id, share, seed))
        _copy(engine, chosen, folder / f"{name}.parquet")
    engine.disconnect()
    return shares


def _who_answered(answers: ir.Table, settings: Settings, as_of: date) -> ir.Table:
    """Give customer_id of those with an answer that a category model learns from."""
    questions = [settings.nps_question, settings.satisfaction_question]
    given = answers.score.notnull() & (answers.answered_at < midnight(as_of)) & answers.question.isin(questions)
    return answers.filter(given).select("customer_id").distinct()


def _of_drawn(table: ir.Table, who_answered: ir.Table, shares: Shares, seed: int) -> ir.Table:
    joined = left_joined(table, who_answered, ["customer_id"])
    customer = joined.customer_id
    is_asked_for = joined.has_answered.fill_null(False) & is_drawn(customer, shares.respondents, seed)
    return joined.filter(is_drawn(customer, shares.customers, seed) | is_asked_for).select(table.columns)


def _open_sample(folder: Path, shares: Shares) -> Tables:
    tables = open_tables(folder)
    surveyed = tables if tables.answers is None else open_tables(folder / _SURVEYED)
    return replace(tables, sample=Sample(shares.customers, shares.respondents, surveyed))


def _dates(kind: str, settings: Settings, inputs: Inputs) -> list[date]:
    """List the dates that purchase models of everyone are fitted at: as_of, and the cutoffs that are looked back to."""
    horizon, cutoffs = settings.horizon or DEFAULT_HORIZON, settings.backtest_cuts if kind == "backtest" else CUTOFFS
    days = [inputs.as_of - timedelta(days=horizon * k) for k in range(cutoffs + 1)]
    return [day for day in days if day > inputs.intake.first_day]


def _of_those_who_answered(shares: Shares) -> str:
    return "all who answered" if shares.respondents == 1.0 else f"{shares.respondents:.0%} of those who answered"


def _copy(engine: ibis.BaseBackend, rows: ir.Table, file: Path) -> None:
    engine.raw_sql(f"COPY ({engine.compile(rows)}) TO {quote(str(file))} (FORMAT parquet, COMPRESSION zstd)")


def _given(tables: Tables) -> dict[str, ir.Table]:
    given = {name: getattr(tables, name) for name in TABLES}
    # Whether anything was returned is seen again of the customers who are brought.
    return {
        name: table.drop(*({NO_RETURNS} & set(table.columns))) for name, table in given.items() if table is not None
    }
