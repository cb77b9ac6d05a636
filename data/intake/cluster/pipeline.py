"""Taking tables in on a cluster: checked by the contracts of all tables, and kept there for the run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from data.contracts import CONTRACTS, Contract
from data.errors import InputError
from data.intake.cluster.aside import NONE, examples_aside
from data.intake.cluster.joining import put_together
from data.intake.cluster.session import ClusterBackend
from data.intake.cluster.sources import read_sources
from data.intake.cluster.staging import WORKING, clean_table, stage
from data.intake.cluster.violations import count_reasons
from data.intake.quarantine import check_share
from data.intake.reading.matching import check_mapping, match_columns
from data.intake.report import Intake, TableReport
from data.intake.rules import Rules, one_currency
from data.intake.sources import Source

_EXAMPLES = 3


@dataclass(frozen=True)
class TakenIn:
    """What was taken in: the clean tables, which lie on the cluster, and the report."""

    tables: Mapping[str, ir.Table]
    intake: Intake


def take_in_on_cluster(
    backend: ClusterBackend, sources: Mapping[str, Source], folder: Path, rules: Rules | None = None
) -> TakenIn:
    """Read tables of a cluster, check every row there, and keep the valid ones there.

    Parameters
    ----------
    backend
        The session with the cluster.
    sources
        Table name -> source, as for `data.intake.pipeline.take_in`, but names and paths of the cluster.
    folder
        A folder of the driver: examples of the rows set aside are written there, into `quarantine.parquet`.
    rules
        What holds for all tables.

    Raises
    ------
    InputError
        A mistake in sources, settings or columns; or a table without a valid row.
    RefusedError
        More rows of a table than its limit allows were set aside.
    """
    rules = rules or Rules()
    clean: dict[str, ir.Table] = {}
    reports: dict[str, TableReport] = {}
    aside: list[pa.Table] = []
    notes = [_NOTE]
    currency: str | None = None
    first = newest = date.min
    try:
        for table, contract in CONTRACTS.items():
            if table not in sources:
                continue
            check_mapping(contract, sources[table].columns)
            raws, names = read_sources(backend, sources[table], table)
            matches = [_match(contract, *each, sources[table]) for each in zip(raws, names, strict=True)]
            raw, matched = put_together(backend, raws, matches, names, table)
            known = _known(clean) if table in ("answers", "events") else None
            staged, joined = stage(backend, raw, contract, matched, rules, names[0], known)
            if joined:
                notes.append(f"customers: rows that were joined to those of the same customer elsewhere: {joined:,}.")
            rows, reasons, forgotten = count_reasons(staged, contract)
            rows += joined
            if forgotten:
                notes.append(f"{table}: rows left out, as their customers are forgotten: {forgotten:,}.")
            if reasons:
                valid = staged.filter(staged.violation.isnull())
                everyone = _known({**clean, table: valid} if known is None else clean)
                aside.append(examples_aside(staged, contract, names[0], matched, rules, everyone))
            else:
                aside.append(NONE)
            _judge(table, rows, reasons, rules, aside[-1], names[0])
            if table == "transactions":
                currency = _currency(staged, rules)
                first, newest = _days(staged)
            attributes = [name for name in matched if name not in contract.names]
            clean[table] = clean_table(staged, contract, attributes)
            unread = {column for each in raws for column in each.columns} - {n for m in matches for n in m.values()}
            report = _report(contract, clean[table], names, matches, rows, reasons, joined, unread)
            reports[table] = replace(report, forgotten=forgotten)
    finally:
        pq.write_table(pa.concat_tables([NONE, *aside]), folder / "quarantine.parquet")
    return TakenIn(clean, Intake(folder, reports, currency, first, newest, tuple(notes)))


_NOTE = "Read and checked on the cluster."


def _match(contract: Contract, raw: ir.Table, name: str, source: Source) -> dict[str, str]:
    header = list(raw.columns)
    kinds = [_holds(raw[name]) for name in header]
    matched = match_columns(contract, header, source.columns, name, contents=lambda: kinds)
    taken = [each for each in matched if each not in contract.names and each.lower() in WORKING]
    if taken:
        raise InputError(f"{name} has a column {taken[0]!r}, a name that checks on a cluster take; rename it.")
    return {name: header[place] for name, place in matched.items()}


def _holds(cell: ir.Value) -> str:
    kind = cell.type()
    if kind.is_timestamp() or kind.is_date():
        return "time"
    return "number" if kind.is_numeric() and not kind.is_boolean() else "text"


def _known(clean: Mapping[str, ir.Table]) -> ir.Table:
    ids = [clean[name].select("customer_id") for name in ("transactions", "customers") if name in clean]
    return (ids[0] if len(ids) == 1 else ids[0].union(ids[1])).distinct()


def _judge(table: str, rows: int, reasons: Mapping[str, int], rules: Rules, aside: pa.Table, name: str) -> None:
    if not rows:
        raise InputError(f"{table}: {name} holds no row. Name the table or path that holds them.")
    if not reasons:
        return
    commonest = next(iter(reasons))
    examples = [row for row in aside.to_pylist() if row["reason"] == commonest][:_EXAMPLES]
    check_share(table, rows, reasons, rules, [f"  {name}: {row['column']} = {row['cell']!r}" for row in examples])


def _currency(staged: ir.Table, rules: Rules) -> str | None:
    valid = staged.filter(staged.violation.isnull() & staged.currency.notnull())
    counts = valid.group_by("currency").agg(rows=valid.count())
    found = counts.order_by([ibis.desc("rows"), "currency"]).limit(10).to_pyarrow().column("currency").to_pylist()
    return one_currency(found, rules)


def _days(staged: ir.Table) -> tuple[date, date]:
    valid = staged.filter(staged.violation.isnull())
    [row] = valid.agg(first=valid.ts.date().min(), last=valid.ts.date().max()).to_pyarrow().to_pylist()
    return row["first"], row["last"]


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def xxhash64(text: str) -> int:  # type: ignore[empty-body]
    """Spark's function: 64 bits that a text is hashed to."""


def _report(
    contract: Contract,
    clean: ir.Table,
    names: tuple[str, ...],
    matches: Sequence[Mapping[str, str]],
    rows: int,
    reasons: Mapping[str, int],
    joined: int,
    unread: Collection[str],
) -> TableReport:
    """Count, compare and digest the valid rows; the digest depends on neither their order nor their files."""
    cells = [clean[name].cast("string").fill_null("\x00") for name in clean.columns]
    of_order = clean.order_id.notnull() if contract.table == "transactions" else ibis.literal(False)
    hashed = clean.select(hashed=xxhash64(ibis.literal("\x1f").join(cells)).cast("decimal(38, 0)"), of_order=of_order)
    # Rows that a key tells apart are not equal, so each of their hashes stands once.
    alike = hashed.group_by(["hashed", "of_order"]).agg(total=hashed.hashed.sum(), others=hashed.count() - 1)
    counted = alike.agg(
        digest=alike.total.sum(), alike=alike.others.sum(), of_orders=alike.others.sum(where=alike.of_order)
    )
    [found] = counted.to_pyarrow().to_pylist()
    columns = {name: column for match in reversed(matches) for name, column in match.items()}
    return TableReport(
        files=names,
        columns=columns,
        left_out=joined,
        rows_read=rows,
        rows_valid=rows - joined - sum(reasons.values()),
        set_aside=sum(reasons.values()),
        reasons=reasons,
        identical_lines=int(found["alike"] or 0),
        identical_of_orders=int(found["of_orders"] or 0),
        digest=f"{int(found['digest'] or 0) & (2**128 - 1):032x}",
        unread=tuple(sorted(unread)),
        written=("on the cluster",),
    )
