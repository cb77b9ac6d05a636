"""From a table of the cluster to rows with the clean columns, each with its first violation, kept for the run."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from data.contracts import NUMBER, SCALES, Contract
from data.intake.cluster.columns import FILLED, MONEY, is_filled, read_columns, trimmed
from data.intake.cluster.joining import SOURCE, join_customers
from data.intake.cluster.protecting import protect
from data.intake.cluster.session import ClusterBackend
from data.intake.cluster.violations import answered_that_day, first_violation, number_of
from data.intake.rules import Rules
from data.intake.violations import REPEATED_CUSTOMER, REPEATED_LINE, UNKNOWN_CUSTOMER

_CLEAN = {"VARCHAR": dt.string, "TIMESTAMP": dt.Timestamp(), "INTEGER": dt.int32, NUMBER: MONEY}
"""SQL type of a clean column -> its type here."""

# An attribute with a leading zero, or with more than 15 digits before the point, is a code and no number.
_ATTRIBUTE = "^-?((0|[1-9][0-9]{0,14})([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?$"
_SCALE = "^([0-9]{1,3}) *(-|–|to) *([0-9]{1,3})$"

WORKING = frozenset({"violation", "is_compared_row", "place_of_the_row", SOURCE})
"""Columns of the tables that rows are checked in; attributes of customers stand beside them under their own names."""


def stage(
    backend: ClusterBackend,
    table: ir.Table,
    contract: Contract,
    matched: Mapping[str, str],
    rules: Rules,
    name: str,
    known: ir.Table | None,
) -> tuple[ir.Table, int]:
    """Read, check and keep a table.

    Parameters
    ----------
    backend
        The session with the cluster.
    table, contract, matched, name
        As for `data.intake.cluster.columns.read_columns`; attributes of customers are among the matched columns.
    rules
        What holds for all tables.
    known
        customer_id of everyone with a valid transaction or row of customers; None for these two tables.

    Returns
    -------
    Table, int
        violation (its number, null for a valid row, `FORGOTTEN` where nothing else is left of it), the clean columns of
        the contract and the attributes; of transactions also currency. And how many rows of customers became part of
        another source's.
    """
    values = read_columns(table, contract, matched, backend.moments(table), rules.timezone, name)
    for each in ("customer_id", "order_id"):
        if each in contract.names:
            values[each] = _written_alike(values[each], rules)
    of_sources = {SOURCE: table[SOURCE]} if SOURCE in table.columns else {}
    typed = table.select(
        **values,
        **of_sources,
        **{f"attribute_{k}": table[each] for k, each in enumerate(_attributes(contract, matched).values())},
    )
    typed = _with_scale(typed, rules) if contract.table == "answers" else typed
    pseudonymous = rules.protection.is_pseudonymous
    violation = first_violation(typed, contract, rules.local_now(), is_pseudonymous=pseudonymous)
    staged = typed.mutate(violation=violation)
    attributes = list(_attributes(contract, matched))
    of_row = {name: staged[name] for name in ("violation", *of_sources)}
    staged = staged.select(**of_row, **_clean_values(staged, contract), **_attribute_texts(staged, attributes))
    staged = protect(backend, staged, rules, frozenset(of_sources))
    if known is not None:
        staged = _with_unknown(staged, known, contract)
    kept, joined = backend.keep(staged, f"staged_{contract.table}"), 0
    if of_sources:
        told = [name for name in (*contract.clean, *attributes) if name not in ("customer_id", "valid_from")]
        kept, joined = join_customers(backend, kept, told)
    return _without_repeated(backend, kept, contract, attributes), joined


def _attributes(contract: Contract, matched: Mapping[str, str]) -> dict[str, str]:
    return {name: source for name, source in matched.items() if name not in contract.names}


def _written_alike(ids: ir.StringValue, rules: Rules) -> ir.StringValue:
    if rules.id_point_zero == "drop":
        ids = ibis.ifelse(ids.re_search("^[0-9]+[.]0+$"), ids.re_replace("[.]0+$", ""), ids)
    return ids.lower() if rules.id_case == "fold" else ids


def _with_scale(typed: ir.Table, rules: Rules) -> ir.Table:
    """Add the scale of each answer, from its worst answer to its best, and write questions of ours in small letters."""
    usual = {**SCALES, **rules.scales}
    plain = trimmed(typed.question).lower()
    question = ibis.cases((typed.question.isnull(), "nps"), (plain.isin(list(SCALES)), plain), else_=typed.question)
    typed = typed.mutate(
        question=question,
        written_worst=_end_of(typed.scale, 1),
        written_best=_end_of(typed.scale, 3),
    )
    of_question = [
        ibis.cases(*((typed.question == each, ends[side]) for each, ends in usual.items()), else_=ibis.null("int32"))
        for side in (0, 1)
    ]
    worst, best = (
        ibis.ifelse(typed[is_filled("scale")], written, usual_end.cast("int32"))
        for written, usual_end in zip((typed.written_worst, typed.written_best), of_question, strict=True)
    )
    typed = typed.mutate(worst=worst, best=best)
    # Effort is turned round, as less of it is better.
    of_effort = {1: typed.worst < typed.best, 2: ibis.literal(False), None: (typed.worst == 1) & (typed.best == 5)}
    turned = (typed.question == "ces") & of_effort[rules.ces_version]
    return typed.mutate(
        worst=ibis.ifelse(turned, typed.best, typed.worst), best=ibis.ifelse(turned, typed.worst, typed.best)
    )


def _end_of(scale: ir.StringValue, group: int) -> ir.IntegerValue:
    return ibis.ifelse(scale.re_search(_SCALE), scale.re_extract(_SCALE, group), ibis.null("string")).cast("int32")


def _clean_values(typed: ir.Table, contract: Contract) -> dict[str, ir.Value]:
    values: dict[str, ir.Value] = {name: typed[name] for name in contract.clean if name in typed.columns}
    if "available_at" in contract.clean:
        values["available_at"] = ibis.greatest(typed.ts, ibis.coalesce(typed.available_at, typed.ts))
    if contract.table == "answers":
        turned = ibis.ifelse(typed.worst > typed.best, typed.worst + typed.best - typed.score, typed.score)
        values |= {
            "scale_low": ibis.least(typed.worst, typed.best),
            "scale_high": ibis.greatest(typed.worst, typed.best),
            "answered_at": ibis.ifelse(answered_that_day(typed), typed.invited_at, typed.answered_at),
            # What is no whole number within its scale is set aside, whatever stands here.
            "score": ibis.ifelse(turned.abs() < 1e9, turned, ibis.null("float64")),
        }
    clean = {name: values[name].cast(_CLEAN[kind]) for name, kind in contract.clean.items()}
    if contract.table == "transactions":
        clean["currency"] = trimmed(typed.currency).upper()
    return clean


def _attribute_texts(typed: ir.Table, attributes: Sequence[str]) -> dict[str, ir.Value]:
    """Take numbers as doubles and everything else as text."""
    values: dict[str, ir.Value] = {}
    for k, name in enumerate(attributes):
        cell = typed[f"attribute_{k}"]
        if cell.type().is_numeric() and not cell.type().is_boolean():
            values[name] = cell.cast("float64")
        else:
            text = cell.cast("string")
            values[name] = ibis.ifelse(trimmed(text).lower().isin(FILLED), ibis.null("string"), text)
    return values


def _with_unknown(staged: ir.Table, known: ir.Table, contract: Contract) -> ir.Table:
    """Set aside the rows of customers with no valid transaction and no row among the customers."""
    ids = known.select(known_id="customer_id")
    joined = staged.left_join(ids, staged.customer_id == ids.known_id)
    joined = joined.mutate(violation=_numbered(joined, joined.known_id.isnull(), contract, UNKNOWN_CUSTOMER))
    return joined.select(staged.columns)


def _numbered(staged: ir.Table, condition: ir.BooleanValue, contract: Contract, reason: str) -> ir.IntegerValue:
    """Give the violation of a reason to the rows that meet a condition and have none yet."""
    number = ibis.literal(number_of(contract, reason)).cast("int32")
    return ibis.coalesce(staged.violation, ibis.ifelse(condition, number, ibis.null("int32")))


def _without_repeated(
    backend: ClusterBackend, staged: ir.Table, contract: Contract, attributes: Sequence[str]
) -> ir.Table:
    """Set aside all but one of the rows with the same key, whatever the order of rows, as the intake of files does."""
    if contract.table == "transactions":
        latest = ["available_at", "ts", *(name for name in contract.clean if name not in ("available_at", "ts"))]
        keys, reason = ("order_id", "line_id"), REPEATED_LINE
        compared = staged.filter(staged.violation.isnull() & staged.order_id.notnull() & staged.line_id.notnull())
    elif contract.table == "customers":
        keys, reason, latest = ("customer_id", "valid_from"), REPEATED_CUSTOMER, [*contract.clean, *attributes]
        compared = staged.filter(staged.violation.isnull())
    else:
        return staged
    counts = compared.group_by(list(keys)).agg(rows=compared.count())
    if not counts.filter(counts.rows > 1).count().to_pyarrow().as_py():
        return staged
    is_compared = staged.violation.isnull()
    if contract.table == "transactions":
        is_compared = is_compared & staged.order_id.notnull() & staged.line_id.notnull()
    marked = staged.mutate(is_compared_row=is_compared)
    order = [ibis.desc(marked[name], nulls_first=False) for name in latest]
    place = ibis.row_number().over(group_by=[*keys, "is_compared_row"], order_by=order)
    marked = marked.mutate(place_of_the_row=place)
    is_repeated = marked.is_compared_row & (marked.place_of_the_row > 0)
    marked = marked.mutate(violation=_numbered(marked, is_repeated, contract, reason))
    return backend.keep(marked.select(staged.columns), f"judged_{contract.table}")


def clean_table(staged: ir.Table, contract: Contract, attributes: Sequence[str]) -> ir.Table:
    """Give the valid rows with the clean columns; an attribute of text is a number where every value of it is one."""
    valid = staged.filter(staged.violation.isnull()).select(*contract.clean, *attributes)
    texts = [name for name in attributes if valid[name].type().is_string()]
    if not texts:
        return valid
    row = (
        valid.agg(
            **{f"numbers_{k}": valid.count(where=valid[name].re_search(_ATTRIBUTE)) for k, name in enumerate(texts)},
            **{f"filled_{k}": valid[name].count() for k, name in enumerate(texts)},
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    numbers = [name for k, name in enumerate(texts) if row[f"numbers_{k}"] == row[f"filled_{k}"] > 0]
    return valid.mutate(**{name: valid[name].cast("float64") for name in numbers})
