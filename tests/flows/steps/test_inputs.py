from datetime import date

import pytest

from data.errors import InputError
from data.intake.clean import last_reading
from features import describe
from features.vocabulary import learn_vocabulary
from flows.reports.intake import intake_section
from flows.settings import Settings
from flows.steps.inputs import input_digest, open_inputs, read_inputs

ROWS = "customer_id,ts,amount\n007,2024-01-05,10\n8,2024-02-01,20.50\n8,2024-03-01,x\n"


@pytest.fixture
def settings(own_environment):
    (own_environment / "sales.csv").write_text(ROWS)
    return Settings.load(transactions=["sales.csv"], quarantine_limit=0.5)


def test_as_of_is_the_day_after_the_newest_valid_transaction_unless_named(settings, own_environment):
    intake = read_inputs(settings, own_environment / "clean")
    assert open_inputs(intake, settings).as_of == date(2024, 2, 2)
    named = settings.model_copy(update={"as_of": date(2024, 1, 20)})
    assert open_inputs(intake, named).as_of == date(2024, 1, 20)


def test_an_as_of_before_everything_is_a_mistake(settings, own_environment):
    intake = read_inputs(settings, own_environment / "clean")
    early = settings.model_copy(update={"as_of": date(2024, 1, 5)})
    with pytest.raises(InputError, match="Name a date from 2024-01-06 on"):
        open_inputs(intake, early)


def test_an_as_of_in_the_future_is_a_mistake(settings, own_environment):
    intake = read_inputs(settings, own_environment / "clean")
    with pytest.raises(InputError, match="which lies in the future"):
        open_inputs(intake, settings.model_copy(update={"as_of": date(2062, 1, 1)}))


def test_the_section_says_what_was_set_aside_and_why(settings, own_environment):
    table = intake_section(read_inputs(settings, own_environment / "clean")).table
    assert table.iloc[0].tolist() == ["transactions", "3", "2", "1", "1 amount is not a number"]


def test_the_digest_is_of_the_rows_and_not_of_their_order(settings, own_environment):
    head, *rows = ROWS.splitlines()
    first = input_digest(read_inputs(settings, own_environment / "a"))
    (own_environment / "sales.csv").write_text("\n".join([head, *reversed(rows)]))
    assert input_digest(read_inputs(settings, own_environment / "b")) == first
    (own_environment / "sales.csv").write_text(ROWS.replace("20.50", "20.51"))
    assert input_digest(read_inputs(settings, own_environment / "c")) != first


def test_no_transactions_and_two_kinds_of_input_are_mistakes(settings, own_environment):
    with pytest.raises(InputError, match="no transactions are named: say where they are with --transactions"):
        read_inputs(Settings.load(), own_environment / "clean")
    with pytest.raises(InputError, match="leave out transactions, or olist"):
        read_inputs(settings.model_copy(update={"olist": "folder"}), own_environment / "clean")


def test_a_second_run_on_the_same_files_neither_reads_nor_describes(settings, own_environment, monkeypatch):
    monkeypatch.setattr(last_reading, "SETTLED", 0)

    def run(name, last, **others):
        chosen = settings.model_copy(update=others)
        inputs = open_inputs(read_inputs(chosen, own_environment / name, last=last), chosen)
        vocabulary = learn_vocabulary(inputs.tables, date(2024, 2, 1), [])
        # Another date than that of the run is neither kept nor found.
        earlier = describe.everyone_described(inputs.tables, date(2024, 1, 20), vocabulary)
        described = describe.everyone_described(inputs.tables, inputs.as_of, vocabulary)
        return [table.file.read_bytes() for table in (earlier, described)]

    kept, whole, asked, matched = own_environment / "kept", run("whole", None), [], describe.everyone_matched
    monkeypatch.setattr(describe, "everyone_matched", lambda *args: (asked.append(args[1]), matched(*args))[1])
    assert run("first", kept) == whole
    assert asked == [date(2024, 1, 20), date(2024, 2, 2)]
    assert run("second", kept) == whole
    assert asked[2:] == [date(2024, 1, 20)]
    run("later", kept, as_of=date(2024, 3, 1))
    assert asked[3:] == [date(2024, 1, 20), date(2024, 3, 1)]
    assert len(list(kept.glob("*-everyone-*"))) == 1
