"""A grammar of tables that are broken in their cells, their records or their header, as hypothesis draws them."""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from data.contracts import CONTRACTS

GOOD = {
    "customer_id": ("A", "B", "C-3", "0004"),
    "ts": ("2024-01-02", "2024-02-03 10:11:12", "2023-12-31T23:59:59Z"),
    "amount": ("1", "12.50", "-3.25", "44.64"),
    "available_at": ("2024-03-01", ""),
    "order_id": ("1001", "1002", ""),
    "line_id": ("1", "2"),
    "category": ("books", "Spiele", "玩具"),
    "quantity": ("1", "2.5"),
    "currency": ("EUR",),
    "score": ("0", "7", "10", ""),
    "answered_at": ("2024-02-01", ""),
    "invited_at": ("2024-01-30", ""),
    "question": ("nps", "CSAT", "mine"),
    "scale": ("0-10", "1-5", "5 to 1"),
    "comment": ("good", 'so "so"', "two\nlines"),
    "kind": ("visit", "delivered"),
    "value": ("1", ""),
    "due_at": ("2030-01-01", ""),
    "valid_from": ("2023-01-01", ""),
    "cost_to_serve": ("2.50",),
    "age": ("30", "x"),
    "region": ("north", ""),
}
NAMES = {name: [*CONTRACTS[name].names, *(["age", "region"] if name == "customers" else [])] for name in CONTRACTS}

ODD_SIGNS = [
    "\0",
    "\x1f",
    "\x1e",
    "\x7f",
    "\x1b[31m",
    "\u00a0",
    "\u200b",
    "\ufeff",
    "\u202e",
    "\u2028",
    "\x85",
    "\ufffd",
]
ODD_SIGNS += ["🙂", "e\u0301", "İ", "ß", "\U0010ffff", "\ue000", "A\u0300" * 40]
ODD_TEXTS = [
    "",
    " ",
    "\t",
    "NULL",
    "nan",
    "#N/A",
    "-",
    "\\N",
    "''",
    '"',
    '""',
    'a"b',
    '"a',
    'a"',
    "'; DROP TABLE staged;--",
]
ODD_TEXTS += [
    "a\nb",
    "a\rb",
    "a\r\nb",
    "\n",
    ",",
    ";",
    "|",
    ",,,",
    "=1+1",
    "@x",
    "{}",
    "[1]",
    '{"a":1}',
    "true",
    "sep=;",
]
ODD_NUMBERS = ["inf", "-inf", "1e400", "-1e400", "1e-400", "9" * 19, "9" * 400, "0x10", "1_000", "1,000.5", "1.000,5"]
ODD_NUMBERS += [
    "1,000",
    "1.000",
    "١٢",
    "−5",
    "--5",
    "5-",
    "(5)",
    "$5",
    "5 EUR",
    "£ 5",
    "5%",
    "1e",
    "e5",
    ".",
    "+",
    "1.2.3",
]
ODD_NUMBERS += ["99999999999999.9999", "99999999999999.99995", "1 000", "1'000", "00012", "1e308", "-0", "4.9e-324"]
ODD_TIMES = [
    "0000-00-00",
    "2024-02-30",
    "2024-13-01",
    "9999-12-31",
    "10000-01-01",
    "-4712-01-01",
    "1/2/24",
    "31/12/2024",
]
ODD_TIMES += [
    "12/31/2024",
    "2024-01-02T25:00:00",
    "2024-01-02T00:00:00+99:99",
    "2024-01-02 00:00:60",
    "infinity",
    "epoch",
]
ODD_TIMES += [
    "1700000000",
    "1700000000000",
    "45000",
    "45000.5",
    "9" * 20,
    "20240230",
    "20240229",
    "24:00",
    "2024-W01-1",
]
ODD_TIMES += [
    "294247-01-10",
    "290309-12-22 (BC)",
    "1 Jan 2024",
    "Jan 1, 2024",
    "1.1.24",
    "2024-01-02 10:00 Europe/Berlin",
]
ODD_SCALES = ["0-0", "10-0", "999-0", "1–5", "1-", "-5", "a-b", "1-5-9", "9999-1"]
LONG = ["x" * 300, "9" * 5_000, "y" * 70_000, "é" * 140_000, '"' * 999, "\n" * 999, " " * 99_999]

odd_cells = st.one_of(
    st.sampled_from(ODD_TEXTS + ODD_NUMBERS + ODD_TIMES + ODD_SCALES),
    st.sampled_from(ODD_SIGNS).flatmap(lambda sign: st.sampled_from([sign, f"A{sign}", f"{sign}1", f"1{sign}2"])),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(LONG),
)


@dataclass(frozen=True)
class Table:
    """A table of texts: its header and its records, which may be of other widths."""

    name: str
    header: tuple[str, ...]
    records: tuple[tuple[str, ...], ...]


@st.composite
def good_tables(draw: Any, name: str) -> Table:
    """A table whose cells are as the contract has them, or nearly."""
    wanted = [column for column in NAMES[name] if column in CONTRACTS[name].required or draw(st.booleans())]
    header = tuple(draw(st.permutations(wanted)))
    count = draw(st.integers(0, 12))
    cells = [st.sampled_from(GOOD.get(column, ("1",))) for column in header]
    return Table(name, header, tuple(draw(st.tuples(*cells)) for _ in range(count)))


def _change_cells(draw: Any, table: Table) -> Table:
    records = [list(record) for record in table.records]
    for _ in range(draw(st.integers(1, 4))):
        if records and (record := records[draw(st.integers(0, len(records) - 1))]):
            record[draw(st.integers(0, len(record) - 1))] = draw(odd_cells)
    return replace(table, records=tuple(map(tuple, records)))


def _change_a_column(draw: Any, table: Table) -> Table:
    """All cells of a column are odd in the same way, as those of an export are."""
    at, kinds = (
        draw(st.integers(0, max(len(table.header) - 1, 0))),
        st.sampled_from([ODD_NUMBERS, ODD_TIMES, ODD_TEXTS]),
    )
    few = st.sampled_from(draw(st.lists(st.sampled_from(draw(kinds)), min_size=1, max_size=3)))
    return replace(
        table,
        records=tuple((*record[:at], draw(few), *record[at + 1 :]) if record else record for record in table.records),
    )


def _change_records(draw: Any, table: Table) -> Table:
    records = list(table.records)
    for _ in range(draw(st.integers(1, 3))):
        record = records[draw(st.integers(0, len(records) - 1))] if records else ("A",)
        new = draw(
            st.sampled_from(
                [
                    record,
                    record[:-1],
                    record[:1],
                    (*record, "1"),
                    record * 5,
                    (),
                    ("",),
                    (" ",) * len(record),
                    table.header,
                ]
            )
        )
        records.insert(draw(st.integers(0, len(records))), new)
    return replace(table, records=tuple(records))


def _change_header(draw: Any, table: Table) -> Table:
    header = list(table.header)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, max(len(header) - 1, 0)))
        name = header[at] if header else "x"
        new = [
            name.upper(),
            f" {name} ",
            name.replace("_", " "),
            f"{name}2",
            "",
            '"',
            "c0",
            "line",
            "shape",
            "staged",
            "a0",
        ]
        new += ["violation", "file", "rowid", "cell_ts", "now", "x.y", "x" * 70_000, "a\nb", *header[:1], "Customer-ID"]
        header[at : at + draw(st.integers(0, 1))] = [draw(st.one_of(st.sampled_from(new), odd_cells))]
    return replace(table, header=tuple(header[: draw(st.sampled_from([len(header)] * 8 + [1, 0]))]))


def _widen(draw: Any, table: Table) -> Table:
    more = draw(st.sampled_from([1, 50, 700]))
    extra = draw(st.sampled_from(["", "1", "2024-01-02", "x"]))
    names = tuple(draw(st.sampled_from(["", "extra", "status"])) + (str(k) if more > 1 else "") for k in range(more))
    return replace(table, header=table.header + names, records=tuple(r + (extra,) * more for r in table.records))


_CHANGES = (*[_change_cells] * 4, *[_change_a_column] * 2, _change_records, _change_header, _widen)


@st.composite
def broken_tables(draw: Any, name: str) -> Table:
    """A table that is broken in up to three ways."""
    table = draw(good_tables(name))
    for _ in range(draw(st.integers(0, 3))):
        table = draw(st.sampled_from(_CHANGES))(draw, table)
    return table
