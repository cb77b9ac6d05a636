"""A day and a time of day in two columns become one time, whatever way they are written."""

from datetime import datetime, time

import duckdb
import pytest

from data.intake.casting import create_macros
from data.intake.proposals.opening import open_file
from data.intake.proposals.proposing import propose
from data.intake.rules import Rules
from data.intake.sources import File, Source
from tests.workbooks import write_workbook

MOMENTS = [datetime(2024, 1, 5, 9, 5), datetime(2024, 3, 17, 22, 40), datetime(2024, 12, 31, 0, 7)]
ALWAYS = {"customer_id", "amount", "ts"}


@pytest.fixture
def read(write, take, tmp_path):
    """Write rows under a header, propose how they are read, and read them so: the times."""

    def reader(path):
        with duckdb.connect() as connection:
            create_macros(connection, Rules())
            proposal = propose(connection, open_file(connection, File("init", path.name, path), "raw_0", tmp_path))
        lines = {(line.section, line.key): line.value for line in proposal.lines}
        columns = {key: value for (section, key), value in lines.items() if section == "columns.transactions"}
        formats = {key: value for (section, key), value in lines.items() if section == "formats.transactions"}
        taken = take(Source(path, columns=columns, **formats), {"now": datetime(2025, 1, 1)})
        return taken.rows("transactions", "ts"), formats

    return reader


@pytest.mark.parametrize(
    ("day", "clock", "form"),
    [
        ("%Y-%m-%d", "%H:%M", "Date || ' ' || Time"),
        ("%m/%d/%Y", "%I:%M %p", "Date || ' ' || Time"),
        ("%d.%m.%Y", "%H:%M:%S", "Date || ' ' || Time"),
        ("%d.%m.%Y", "%H.%M", "Date || ' ' || Time"),
        ("%Y%m%d", "%H%M", "Date || ' ' || Time"),
        ("%d.%m.%Y 00:00:00", "%H:%M", "replace(Date, ' 00:00:00', '') || ' ' || Time"),
        ("%Y-%m-%dT00:00:00", "1899-12-30T%H:%M:%S", None),
        ("%d/%m/%y", "%H:%M Uhr", "Date || ' ' || Time"),
    ],
)
def test_days_and_clocks_are_joined(write, read, day, clock, form):
    rows = "".join(f"c{k},{at.strftime(day)},{at.strftime(clock)},{k}.5\n" for k, at in enumerate(MOMENTS))
    times, formats = read(write("Customer,Date,Time,Total\n" + rows))
    joined = form is not None or "1899" in clock
    assert times == [at if joined else at.replace(hour=0, minute=0) for at in MOMENTS]
    if form is not None:
        assert formats["ts"] == form


def test_clocks_that_lost_their_zeros_or_are_missing_are_read_too(write, read):
    text = "Kunde;Datum;Uhrzeit;Betrag\na;05.01.2024;905;1,5\nb;17.03.2024;2240;2,5\nc;31.12.2024;7;3,5\n"
    assert read(write(text))[0] == MOMENTS
    text = "Kunde;Datum;Uhrzeit;Betrag\na;05.01.2024;09:05;1,5\nb;17.03.2024;22:40;2,5\nc;31.12.2024;;3,5\n"
    assert read(write(text))[0] == [*MOMENTS[:2], datetime(2024, 12, 31)]


def test_days_that_could_be_months_keep_their_clocks_whichever_is_chosen(write, tmp_path):
    path = write("Client,Date,Time,Total\na,05/01/2024,09:05,1.5\nb,03/02/2024,22:40,2.5\n")
    with duckdb.connect() as connection:
        create_macros(connection, Rules())
        proposal = propose(connection, open_file(connection, File("init", "s", path), "raw_0", tmp_path))
    (question,) = proposal.questions
    assert {line.value for each in question.choices for line in each.lines} == {"%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"}


def test_days_and_clocks_of_a_sheet_are_joined(read, tmp_path):
    rows = [[f"c{k}", at.date(), at.strftime("%H:%M:%S"), 1.5] for k, at in enumerate(MOMENTS)]
    path = write_workbook(tmp_path / "till.xlsx", {"S": [["Customer", "Sale date", "Sale time", "Total"], *rows]})
    assert read(path)[0] == MOMENTS


def test_a_day_with_a_time_of_its_own_and_a_time_that_is_none_stay_as_they_are(write, read):
    text = "Client,Created at,Time,Total\na,2024-01-05 09:05:00,12 min,1.5\nb,2024-03-17 22:40:00,3 min,2.5\n"
    times, formats = read(write(text))
    assert times == MOMENTS[:2]
    assert "ts" not in formats
    assert time(9, 5) == times[0].time()
