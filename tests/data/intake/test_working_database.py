"""The memory of an intake: so much beyond a floor, and all there is only where that does not do."""

import pytest

from data.intake import working_database
from data.intake.working_database import LARGEST, allow_memory, open_database


def limit(connection):
    ((text,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    number, unit = text.split(" ")
    return float(number) * {"MiB": 1, "GiB": 1024}[unit]


def test_memory_grows_with_what_is_read_up_to_a_most(tmp_path):
    with open_database(tmp_path) as connection:
        floor = limit(connection)
        allow_memory(connection, 100 * 2**20)
        assert limit(connection) == pytest.approx(floor + 100, rel=0.001) or floor > 3_000
        allow_memory(connection, 100 * LARGEST)
        assert floor < limit(connection) <= LARGEST / 2**20


def test_an_intake_that_runs_out_of_memory_is_made_again_with_all_there_is(take, monkeypatch):
    made = []

    def open_counted(folder):
        made.append(folder)
        return open_database(folder)

    monkeypatch.setattr("data.intake.pipeline.open_database", open_counted)
    monkeypatch.setattr(working_database, "_FLOOR", 2**20)
    monkeypatch.setattr(working_database, "_PER_THREAD", 0)
    taken = take("customer_id,ts,amount\nA,2024-01-02,1\nB,never,2\n")
    assert len(made) == 2
    assert taken.rows("transactions", "customer_id") == ["A"]
    assert taken.reasons() == {"ts is not a time": 1}
