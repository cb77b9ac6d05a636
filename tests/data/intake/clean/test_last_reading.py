"""The clean tables of the last reading: used where nothing has changed, and then as good as reading everything."""

import os
import shutil
import stat
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from data.errors import InputError
from data.intake.clean import last_reading
from data.intake.clean.last_reading import LastReading
from data.intake.pipeline import Rules, Source, take_in
from data.pseudonyms import Protection, make_key

NOW = datetime(2024, 6, 1, 12)
RULES = Rules(now=NOW, quarantine_limit=1.0)
SAME = "No file has changed since the last reading, so none was read."
OTHERS = "settings, the code or what else lies in the folders are others"
KEY = make_key()
TABLES = ("transactions", "answers", "customers")


def write_sales(place, month, amount="12.5"):
    lines = [f"c{k % 5},2024-0{month}-0{1 + k % 9},{amount},o{k},1,paid" for k in range(30)]
    (place / "sales" / f"{month}.csv").write_text(
        "\n".join(["customer_id,ts,amount,order_id,line_id,status", *lines, "c1,2024-01-32,1,x,1,paid"])
    )


def write_shop(place):
    (place / "sales").mkdir(parents=True)
    for month in (1, 2):
        write_sales(place, month)
    (place / "answers.csv").write_text(
        "customer_id;answered_at;score;question\nc1;2024-03-01;9;nps\nC1;2024-03-01;8;nps\nnobody;2024-03-02;3;nps\n"
    )
    (place / "customers.csv").write_text("customer_id,city\nc1,Bonn\nc2,007\n")
    return place


def sources_of(place, **sales):
    named = {name: Source(str(place / f"{name}.csv")) for name in TABLES[1:]}
    return {"transactions": Source(str(place / "sales"), **sales), **named}


def files_in(folder):
    return {file.name: file.read_bytes() for file in folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A shop that was read without anything kept."""
    place = write_shop(tmp_path_factory.mktemp("shop"))
    return take_in(sources_of(place), place / "clean", RULES)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a shop's files; that they were written just now is no reason to distrust their times."""
    monkeypatch.setattr(last_reading, "SETTLED", 0)
    return write_shop(tmp_path)


@pytest.fixture
def intake(place, whole):
    """What was taken in of them, and kept."""
    own = replace(whole, folder=place / "clean")
    shutil.copytree(whole.folder, own.folder)
    reading = reading_of(place)
    assert found(reading) is None
    assert reading.keep(own).files_read == ("The tables of the last reading are not used: none is kept.",)
    return own


def reading_of(place, *, sales=(), **rules):
    return LastReading(place / "kept", sources_of(place, **dict(sales)), replace(RULES, **rules))


def found(reading):
    """Look for a reading: what was taken in without its folder, and the files."""
    folder = reading.folder.parent / "found"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    intake = reading.find(folder)
    if intake is None:
        assert list(folder.iterdir()) == []
        return None
    assert (intake.folder, intake.files_read) == (folder, (SAME,))
    return replace(intake, folder=None, files_read=()), files_in(folder)


def as_taken(intake):
    return replace(intake, folder=None), files_in(intake.folder)


def test_what_is_not_read_again_is_as_if_it_were(place):
    first = take_in(sources_of(place), place / "a", RULES, last=place / "kept")
    again = take_in(sources_of(place), place / "b", RULES, last=place / "kept")
    whole = take_in(sources_of(place), place / "c", RULES)
    assert again.files_read == (SAME,)
    assert replace(again, files_read=(), folder=place) == replace(whole, folder=place)
    assert files_in(place / "b") == files_in(place / "c") == files_in(first.folder)
    assert set(files_in(place / "b")) == {f"{name}.parquet" for name in (*TABLES, "quarantine")}
    report = again.tables["transactions"]
    assert (report.set_aside, report.states) == (32, {"status": {"paid": 62}})
    assert again.alike_ids
    # They stay for a folder whose tables were used, whatever becomes of those that are kept.
    shutil.rmtree(place / "kept")
    assert files_in(place / "b") == files_in(place / "c")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"sales": {"decimal": "."}}, OTHERS),
        ({"id_case": "fold"}, OTHERS),
        ({"protection": Protection(KEY, is_pseudonymous=True)}, OTHERS),
        ({"protection": Protection(KEY, forgotten=frozenset({KEY.pseudonym("c1")}))}, OTHERS),
        ({"now": NOW - timedelta(hours=1)}, "the clock went back"),
    ],
)
def test_what_decides_how_rows_are_read_makes_all_be_read(place, intake, how, why):
    reading = reading_of(place, **how)
    assert found(reading) is None
    assert reading.why == why
    # What is of no use takes no place.
    assert list((place / "kept").iterdir()) == []
    reading.keep(intake)
    assert found(reading_of(place, **how)) == as_taken(intake)


def test_a_later_as_of_is_read_alike_and_another_code_is_not(place, intake, monkeypatch):
    assert found(reading_of(place, sales={"before": NOW.date()})) == as_taken(intake)
    assert found(reading_of(place, now=NOW + timedelta(days=9))) == as_taken(intake)
    monkeypatch.setattr(last_reading, "_code", lambda: "another")
    assert found(reading_of(place)) is None


def test_a_file_of_the_same_size_and_time_that_holds_something_else_is_read(place, intake):
    file = place / "sales" / "2.csv"
    state = file.stat()
    write_sales(place, 2, amount="99.5")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    reading = reading_of(place)
    assert found(reading) is None
    assert reading.why == "files that are new or changed: 1 of transactions"
    reading.keep(intake)
    (place / "sales" / "notes.doc").touch()
    reading = reading_of(place)
    assert found(reading) is None
    assert reading.why == OTHERS
    reading.keep(intake)
    file.unlink()
    reading = reading_of(place)
    assert found(reading) is None
    assert reading.why == "files are gone, or in another order"
    (place / "answers.csv").unlink()
    with pytest.raises(InputError, match="is not there"):
        take_in(sources_of(place), place / "b", RULES, last=place / "kept")


@pytest.mark.parametrize("when", ["just before", "meanwhile"])
def test_a_file_that_changed_as_it_was_read_is_not_relied_on(place, intake, monkeypatch, when):
    write_sales(place, 1)
    if when == "just before":
        monkeypatch.setattr(last_reading, "SETTLED", 10**15)
    reading = reading_of(place)
    assert found(reading) is None
    if when == "meanwhile":
        write_sales(place, 1, amount="99.5")
    reading.keep(intake)
    assert list((place / "kept").iterdir()) == []


def test_rows_from_the_future_may_be_valid_tomorrow_and_databases_do_not_tell(place, intake):
    sales = intake.tables["transactions"]
    early = replace(sales, reasons={**sales.reasons, "ts is in the future": 1})
    write_sales(place, 1)
    reading = reading_of(place)
    assert found(reading) is None
    reading.keep(replace(intake, tables={**intake.tables, "transactions": early}))
    assert list((place / "kept").iterdir()) == []
    database = LastReading(place / "kept", {"transactions": Source("postgresql://there/shop")}, RULES)
    assert found(database) is None
    assert "do not tell what has changed" in database.keep(intake).files_read[0]
    assert list((place / "kept").iterdir()) == []


@pytest.mark.parametrize("harm", ["a byte", "the end", "a table", "{", '{"files": [[1]]}', "[]"])
def test_what_is_damaged_is_read_anew(place, intake, harm):
    [table] = (place / "kept").glob("*-transactions.parquet")
    content = bytearray(table.read_bytes())
    content[100] ^= 1
    changed = {"a byte": bytes(content), "the end": b"PAR1", "a table": None}
    if harm in changed:
        table.unlink()
        if changed[harm] is not None:
            table.write_bytes(changed[harm])
    else:
        (place / "kept" / "reading.json").write_text(harm)
    reading = reading_of(place)
    assert found(reading) is None
    assert reading.keep(intake).files_read != (SAME,)
    assert found(reading_of(place)) == as_taken(intake)


class Killed(BaseException):
    pass


def test_a_run_that_is_killed_while_it_keeps_leaves_nothing_half(place, intake, monkeypatch):
    """It is killed at each call that writes, and before the old ones are deleted."""

    def killed_at(number):
        calls = iter(range(100))

        def dying(function):
            def called(*arguments, **named):
                if next(calls) == number:
                    raise Killed
                return function(*arguments, **named)

            return called

        with monkeypatch.context() as patch:
            for where, name in (
                (last_reading.os, "link"),
                (last_reading.shutil, "copyfile"),
                (last_reading.Path, "chmod"),
                (last_reading.Path, "write_text"),
                (last_reading.Path, "replace"),
                (last_reading.Path, "unlink"),
            ):
                patch.setattr(where, name, dying(getattr(where, name)))
            try:
                reading_of(place).find(place / "found")
                reading.keep(intake)
            except Killed:
                return True
        return False

    number = 0
    while True:
        write_sales(place, 2, amount=f"{10 + number}.5")
        reading = reading_of(place)
        assert found(reading) is None
        if not killed_at(number):
            break
        after = found(reading_of(place))
        assert after in (None, as_taken(intake))
        number += 1
    assert number > 10
    assert len(list((place / "kept").iterdir())) == 5


def test_what_is_kept_is_for_its_owner_only_and_stays_as_long_as_it_is_used(place, intake, monkeypatch):
    files = list((place / "kept").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((place / "kept").stat().st_mode) == 0o700
    used = time.time() - 86_400
    for file in files:
        os.utime(file, (used, used))
    assert found(reading_of(place)) == as_taken(intake)
    assert all(file.stat().st_mtime > used + 1 for file in files)

    def refuse(*_):
        raise OSError

    monkeypatch.setattr(last_reading.os, "link", refuse)
    reading = reading_of(place)
    assert found(reading) is None
    reading.keep(intake)
    assert list((place / "kept").iterdir()) == []
