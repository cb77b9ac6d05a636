"""Examples of the rows that a cluster sets aside: at most a thousand of a table come to the driver."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from data.contracts import Contract
from data.intake.privacy.customers import KEPT_OUT
from data.intake.rules import Rules
from data.intake.violations import violations_of
from data.pseudonyms import clean_id

MOST_ROWS_ASIDE = 1000
"""Rows set aside of a table that leave the cluster as examples; all are counted."""

NONE = pa.schema({name: pa.string() for name in ("table", "file", "column", "cell", "reason", "record")}).empty_table()


def examples_aside(
    staged: ir.Table, contract: Contract, name: str, matched: Mapping[str, str], rules: Rules, known: ir.Table
) -> pa.Table:
    """Collect some of the rows set aside, those of the commonest reasons as well as of the others.

    Where pseudonyms stand for ids, a row keeps only columns of its contract, without comments, and an id of a customer
    is nowhere in them, as with files.

    Parameters
    ----------
    staged
        Kept rows, each with its violation.
    contract, name, matched
        The table, what to call it, and the names in the contract -> names in the source.
    rules
        Their protection says what is kept.
    known
        customer_id of everyone who is known by now.
    """
    bad = staged.filter(staged.violation > 0)
    place = ibis.row_number().over(group_by="violation", order_by=list(contract.clean))
    bad = bad.mutate(place_of_the_row=place)
    rows: list[dict[str, Any]] = (
        bad.filter(bad.place_of_the_row < MOST_ROWS_ASIDE // 10)
        .drop("place_of_the_row")
        .limit(MOST_ROWS_ASIDE)
        .to_pyarrow()
        .to_pylist()
    )
    if rules.protection.is_pseudonymous:
        rows = _masked(rows, contract, rules, known)
    violations = violations_of(contract)
    records = []
    for row in rows:
        violation = violations[int(row.pop("violation")) - 1]
        cell = row.get(violation.column)
        records.append(
            {
                "table": contract.table,
                "file": name,
                "column": matched.get(violation.column),
                "cell": None if cell is None else str(cell),
                "reason": violation.reason,
                "record": str({key: str(value) for key, value in row.items() if value is not None}),
            }
        )
    return pa.Table.from_pylist(records, schema=NONE.schema)


def _masked(
    rows: Sequence[Mapping[str, Any]], contract: Contract, rules: Rules, known: ir.Table
) -> list[dict[str, Any]]:
    """Leave out what is no column of the contract, and put pseudonyms where cells are the ids of known customers."""
    kept = {"violation", *contract.clean} & {"violation", "currency", *contract.names} - set(KEPT_OUT)
    chosen = [{name: value for name, value in row.items() if name in kept} for row in rows]
    others = {str(value) for row in chosen for name, value in row.items() if _may_be_an_id(name, value)}
    pseudonyms = {cell: _pseudonym(cell, rules) for cell in others}
    there = _known_of(set(pseudonyms.values()), known)
    shown = {cell: pseudonym for cell, pseudonym in pseudonyms.items() if pseudonym in there}
    return [
        {name: shown.get(str(value), value) if _may_be_an_id(name, value) else value for name, value in row.items()}
        for row in chosen
    ]


def _may_be_an_id(name: str, value: object) -> bool:
    return value is not None and name not in ("violation", "customer_id")


def _pseudonym(cell: str, rules: Rules) -> str:
    assert rules.protection.key is not None, "pseudonyms need a key"
    return rules.protection.key.pseudonym(clean_id(cell, rules.id_case, rules.id_point_zero))


def _known_of(pseudonyms: Collection[str], known: ir.Table) -> frozenset[str]:
    looked_for = ibis.memtable(pa.table({"customer_id": pa.array(sorted(pseudonyms), pa.string())}))
    found = known.semi_join(looked_for, "customer_id").select("customer_id").distinct()
    return frozenset(found.to_pyarrow()["customer_id"].to_pylist()) if pseudonyms else frozenset()
