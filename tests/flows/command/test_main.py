"""What the command says and how it exits, where no flow is needed."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import RefusedError, StoreBusyError
from flows.settings import Settings
from flows.steps.store_place import locate_store

READERS = ("check", "retrain", "score", "backtest", "measures", "sample --margin 3")
COMMANDS = ("demo", "report", "app", "init", "check", "retrain", "score", "backtest", "settings", "scores", "rollback")


def test_help_names_every_command_and_exit_code(revealed):
    code, out, _ = revealed("--help")
    assert code == 0
    assert all(f" {command} " in out for command in COMMANDS)
    assert "Exit codes: 0 done, 1 a fault, 2 bad input" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_its_options(revealed, command):
    code, out, _ = revealed(command, "--help")
    assert code == 0
    assert "Usage: revealed" in out


def test_help_is_fast_because_nothing_heavy_is_imported(own_environment):
    heavy = "{'mlflow', 'prefect', 'lifetimes', 'ibis', 'lightgbm', 'pandas'}"
    code = f"import flows.command.main, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_check_says_what_is_good_and_what_is_set_aside(revealed, shop):
    code, out, _ = revealed("check", "--transactions", shop["transactions"], "--answers", shop["answers"])
    assert code == 0
    assert "transactions" in out
    assert "These tables can be used" in out


def test_check_tells_the_questions_and_segments_that_are_not_there(revealed, shop, own_environment):
    rows = [
        "customer_id,invited_at,answered_at,score,question,comment,scale",
        "00000001,2023-05-01,2023-05-02,9,,good,",
        "00000001,2023-06-01,,,,,",
        "00000001,,2023-05-03,4,csat,,",
        "00000001,,2023-05-03,1,ces,,1-5",
    ]
    (own_environment / "survey.csv").write_text("\n".join(rows))
    given = ("check", "--transactions", shop["transactions"], "--answers", "survey.csv")
    code, out, _ = revealed(*given)
    assert code == 0
    assert [line.split() for line in out.splitlines() if line.startswith(("ces ", "csat ", "nps "))] == [
        ["ces", "1-5", "1", "1", "0", "5:100"],
        ["csat", "1-5", "1", "1", "0", "4:100"],
        ["nps", "0-10", "2", "1", "1", "9:100"],
    ]
    assert "set ces_version = 2" in " ".join(out.split())
    assert "ces_version" not in revealed(*given, "--set", "ces_version=2")[1]
    code, _, err = revealed(*given, "--customers", shop["customers"], "--set", "segments=planet")
    assert code == 2
    assert (
        "a text of 6 characters: no column of customers to segment by, beside rfm and persona; it has cost_to_serve"
        in " ".join(err.split())
    )


def test_columns_and_other_settings_are_given_on_the_command_line(revealed, own_environment):
    (own_environment / "sales.csv").write_text("client;sold;amount\n01;31.01.2024;10,5\n02;01.02.2024;2\n")
    code, out, err = revealed(
        *("check", "--transactions", "sales.csv"),
        *("--column", "transactions.customer_id=client", "--column", "transactions.ts=sold"),
        *("--set", 'formats={transactions={time_format="%d.%m.%Y", decimal=","}}'),
    )
    assert (code, err) == (0, "")
    assert "2     2          0" in out


def test_settings_are_listed_with_default_and_meaning(revealed):
    code, out, _ = revealed("settings")
    assert code == 0
    assert all(f"{name} " in out for name in Settings.model_fields)
    assert "0.05 each" in out


def test_keys_of_formats_are_listed_with_their_meaning(revealed):
    out = " ".join(revealed("settings")[1].split())
    for key in ("time_format", "decimal", "thousands", "unit", "encoding", "separator", "amount", "rows", "query"):
        assert f"formats.TABLE.{key}" in out
    assert "found by evidence" in out


def test_an_empty_variable_is_no_setting(revealed, shop, monkeypatch):
    monkeypatch.setenv("REVEALED_ANSWERS", "")
    assert revealed("check", "--transactions", shop["transactions"])[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check",), "no transactions are named"),
        (("check", "--transactions", "nowhere.csv"), "nowhere.csv"),
        (("check", "--transactions", "x.csv", "--column", "ts"), "--column must be TABLE.OURS=YOURS"),
        (("check", "--transactions", "x.csv", "--set", "margin"), "--set must be NAME=VALUE"),
        (
            ("check", "--transactions", "x.csv", "--set", "margn=1"),
            "a setting that is not known (a text of 5 characters). Nearest: 'margin'",
        ),
        (("check", "--olist", "nowhere"), "The Olist files are read from a folder"),
        (("scores",), "/mlruns: run `revealed retrain` first"),
        (("rollback",), "there is no store in"),
        (("publish", "--to", "sqlite:///x.db/scores"), "there is no store in"),
        (("publish", "--to", "x.csv"), "--to must be postgresql://USER@HOST/DATABASE/SCHEMA.TABLE"),
        (("publish", "--to", "postgresql://db/shop"), "--to names no table; write postgresql://db/***/TABLE"),
        (("check", "--transactions", "postgresq://db/shop"), "Nearest: 'postgresql'"),
        (("sample", "--transactions", "x.csv"), "--margin is missing"),
        (("scor",), "there is no command as it was given. Nearest: 'score'. There are: demo, init"),
        (("score", "--scorr", "1"), "(a text of 7 characters). Nearest: '--scorer'. See `revealed score --help`."),
        (("score", "--quiet=yes"), "--quiet is given without its value, or with one that it does not take"),
        (("score", "--scorer", "one"), "--scorer must be a valid integer. See `revealed score --help`."),
        (("score", "--as-of", "today"), "--as-of must be a date such as 2026-07-01"),
        (("score", "sales.csv"), "the command is given more than it takes"),
        (("publish",), "--to is missing"),
    ],
)
def test_a_mistake_of_the_users_is_one_message_and_exit_code_2(revealed, arguments, message):
    code, _, err = revealed(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


# Runs the command where nothing heavy can be imported: a mistake is told before.
WITHOUT_HEAVY = """
import sys
from flows.command.main import main

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in ("mlflow", "prefect", "ibis", "lightgbm", "pandas", "scipy"):
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *((f"{command} --transactions nowhere.csv", "'nowhere.csv' is not there") for command in READERS),
        *((f"{command} --transactions other.csv", "has no column 'customer_id'") for command in READERS),
        *(
            (
                f"{command} --transactions sales.csv --set margn=1",
                "a setting that is not known (a text of 5 characters). Nearest: 'margin'",
            )
            for command in READERS
        ),
        (
            "retrain --transactions sales.csv --column transactions.tss=ts",
            "no column of transactions has (a text of 3 characters)",
        ),
        (
            "retrain --transactions sales.csv --column transactions.order_id=bill",
            "no column of the name in columns.transactions.order_id (a text of 4 characters)",
        ),
        ("retrain --transactions sales.parquet", "has no column 'customer_id'"),
        ("retrain --transactions sales.csv --answers sales.csv", "has no column 'answered_at' and 'score'"),
        ("retrain --transactions sales.csv --set segments=planet", "no column of customers to segment by"),
        ("measures --transactions sales.csv --customers people.csv --by regoin", "Nearest: 'region'"),
        ("retrain --transactions sales.csv --customers people.csv --set static_attributes=age", "it has cost_to_serve"),
        ("retrain --olist nowhere", "*** is not one"),
        ("score --transactions sales.csv", "there is no store in"),
        ("sample --transactions sales.csv --margin 3", "there is no store in"),
        ("sample --transactions sales.csv --margin 3 --output list.txt", "--output must end in .csv"),
        ("scores --output table.xlsx", "--output must end in .csv or .parquet"),
        ("scores --tolerance 0.1", "--tolerance belongs to --since"),
        ("scores --since 1 --customer x", "--since and --customer cannot be combined"),
        ("scores", "there is no store in"),
        ("rollback", "there is no store in"),
    ],
)
def test_a_typing_error_is_told_before_anything_heavy_is_imported(own_environment, arguments, message):
    (own_environment / "sales.csv").write_text("customer_id,ts,amount\n1,2024-01-01,3\n")
    (own_environment / "other.csv").write_text("client,ts,amount\n1,2024-01-01,3\n")
    (own_environment / "people.csv").write_text("customer_id,region\n1,north\n")
    pq.write_table(pa.table({"client": ["1"], "ts": ["2024-01-01"], "amount": [3]}), "sales.parquet")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HEAVY, *arguments.split()], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert message in " ".join(done.stderr.split())
    assert not (own_environment / "mlruns").exists()


def test_an_unknown_command_or_date_is_exit_code_2(revealed):
    assert revealed("scre")[0] == 2
    assert revealed("score", "--as-of", "tomorrow")[0] == 2


def test_too_many_bad_rows_are_a_refusal(revealed, own_environment):
    rows = "\n".join(f"{i},2024-01-0{i % 9 + 1},{'x' if i % 3 == 0 else 1}" for i in range(30))
    (own_environment / "sales.csv").write_text(f"customer_id,ts,amount\n{rows}\n")
    code, _, err = revealed("check", "--transactions", "sales.csv")
    assert code == 3
    assert "amount is not a number" in err


@pytest.mark.parametrize(("error", "code"), [(RefusedError("no"), 3), (StoreBusyError("busy"), 4)])
def test_each_kind_of_error_has_its_exit_code(revealed, shop, monkeypatch, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr("flows.command.check.run_check", fail)
    assert revealed("check", "--transactions", shop["transactions"])[0] == code


def test_the_process_ends_with_the_commands_exit_code(own_environment):
    ran = subprocess.run(
        [sys.executable, "-c", "from flows.command.main import run; run()", "check"], capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("revealed: no transactions are named")


@pytest.mark.parametrize("command", ["retrain", "backtest"])
def test_a_run_from_a_subfolder_keeps_its_store_beside_the_settings_file(
    revealed, own_environment, monkeypatch, command
):
    (own_environment / "sales.csv").write_text("customer_id,ts,amount\n1,2024-01-01,3\n")
    (own_environment / "revealed.toml").write_text('transactions = "sales.csv"')
    (own_environment / "reports").mkdir()
    monkeypatch.chdir(own_environment / "reports")
    places = []
    monkeypatch.setattr(
        "flows.command.running.run_flow",
        lambda name, settings, _, **__: places.append(locate_store(settings.mlruns).folder),
    )
    assert revealed(command)[0] == 0
    assert places == [own_environment / "mlruns"]
    assert not list((own_environment / "reports").iterdir())


def test_the_demo_has_a_store_of_its_own_below_the_same_folder(revealed, own_environment, monkeypatch):
    (own_environment / "revealed.toml").write_text('mlruns = "the shop\'s"')
    (own_environment / "reports").mkdir()
    monkeypatch.chdir(own_environment / "reports")
    stores = []
    monkeypatch.setattr("flows.command.demo.run_demo", lambda folder, _, **__: stores.append(folder))
    assert revealed("demo")[0] == 0
    assert revealed("demo", "--mlruns", "mine")[0] == 0
    assert stores == [str(own_environment / "mlruns" / "demo"), "mine"]
