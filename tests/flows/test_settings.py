import pytest

from data.errors import InputError
from data.secrecy.location import Location
from flows.settings import Settings


def test_the_order_of_precedence_is_given_then_environment_then_file_then_default(own_environment, monkeypatch):
    assert Settings.load().churn_horizon == 365
    (own_environment / "revealed.toml").write_text("churn_horizon = 100\nclv_horizon = 100\nmargin = 0.5\n")
    monkeypatch.setenv("REVEALED_CHURN_HORIZON", "200")
    monkeypatch.setenv("REVEALED_CLV_HORIZON", "200")
    settings = Settings.load(clv_horizon=300)
    assert (settings.clv_horizon, settings.churn_horizon, settings.margin) == (300, 200, 0.5)


def test_the_nearest_file_above_is_found_and_its_paths_start_at_its_folder(own_environment, monkeypatch):
    (own_environment / "revealed.toml").write_text(
        'transactions = ["sales/*.csv", "s3://bucket/sales"]\nanswers = "survey.csv"\nmlruns = "store"\n'
    )
    below = own_environment / "deep" / "er"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    settings = Settings.load()
    assert settings.transactions == [Location(str(own_environment / "sales/*.csv")), Location("s3://bucket/sales")]
    assert settings.answers == [Location(str(own_environment / "survey.csv"))]
    assert settings.mlruns == Location(str(own_environment / "store"))


def test_tables_and_environment_name_columns_and_formats(own_environment, monkeypatch):
    (own_environment / "revealed.toml").write_text(
        '[columns.transactions]\ncustomer_id = "client"\n[formats.answers]\nencoding = "cp1251"\n'
    )
    monkeypatch.setenv("REVEALED_COLUMNS__TRANSACTIONS__TS", "sold_at")
    monkeypatch.setenv("REVEALED_TRANSACTIONS", "sales.csv")
    settings = Settings.load()
    assert settings.columns == {"transactions": {"customer_id": "client", "ts": "sold_at"}}
    assert settings.formats["answers"].encoding == "cp1251"
    assert settings.transactions == [Location("sales.csv")]


def test_rfm_segments_are_named_in_the_settings_file(own_environment):
    (own_environment / "revealed.toml").write_text(
        '[rfm_segments]\nbest = ["5", "4-5"]\n"good ones" = [5, "1-3"]\nothers = ["1-4", "1-5"]\n'
    )
    assert Settings.load().rfm_segments == {
        "best": ((5, 5), (4, 5)),
        "good ones": ((5, 5), (1, 3)),
        "others": ((1, 4), (1, 5)),
    }


def test_a_known_question_is_known_in_any_case(own_environment):
    settings = Settings.load(nps_question="NPS ", satisfaction_question="Delivery")
    assert (settings.nps_question, settings.satisfaction_question) == ("nps", "Delivery")


def test_one_quarantine_limit_is_for_all_tables_and_one_for_a_table_leaves_the_others(own_environment):
    assert set(Settings.load(quarantine_limit=0.2).quarantine_limit.values()) == {0.2}
    assert Settings.load(quarantine_limit={"events": 0.5}).quarantine_limit == {
        "transactions": 0.05,
        "answers": 0.05,
        "events": 0.5,
        "customers": 0.05,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"horizn": 3}, "a setting that is not known (a text of 6 characters). Nearest: 'horizon'."),
        ({"horizon": 0}, "setting 'horizon' must be greater than or equal to 1, got 0"),
        (
            {"timezone": "Berlin"},
            "setting 'timezone' must be a time zone such as 'Europe/Berlin', the nearest is 'Europe/Berlin', got a",
        ),
        ({"quarantine_limit": 2}, "must be less than or equal to 1, got 2"),
        ({"as_of": "soon"}, "setting 'as_of'"),
        (
            {"rfm_segments": {"all": ["1-5", "1-4"]}},
            "must name all pairs of scores; recency 1 with 5, the mean of frequency",
        ),
        ({"rfm_segments": {"all": ["5-1", "1-5"]}}, "must have scores from 1 to 5, the lower one first"),
        (
            {"rfm_segments": {"all": ["few", "1-5"]}},
            "setting 'rfm_segments.(a text of 3 characters).0.0' must be a valid integer",
        ),
        ({"columns": {"sales": {"ts": "x"}}}, "must be 'transactions', 'answers', 'events' or 'customers'"),
    ],
)
def test_a_mistake_is_named_with_what_must_be_and_what_was_got(own_environment, given, message):
    with pytest.raises(InputError, match="setting") as caught:
        Settings.load(**given)
    assert message in str(caught.value)


def test_what_prefect_stores_of_the_settings_holds_no_password(own_environment):
    secret = "https://bob:hunter2@example.org/sales.csv?sig=abc"
    settings = Settings.load(transactions=[secret, "local.csv"])
    assert settings.transactions == [Location(secret), Location("local.csv")]
    stored = settings.model_dump(mode="json")["transactions"]
    assert stored == ["https://example.org/sales.csv", "local.csv"]


def test_a_settings_file_that_is_no_toml_is_named(own_environment):
    (own_environment / "revealed.toml").write_text("horizon: 3")
    with pytest.raises(InputError, match=r"revealed\.toml is not a TOML file"):
        Settings.load()


@pytest.mark.parametrize("names", ["region, age", '["region", "age", "region"]', ["region", "age", "region"]])
def test_names_may_stand_in_one_text_and_count_once(own_environment, monkeypatch, names):
    assert Settings.load(segments=names).segments == ["region", "age"]
    if isinstance(names, str):
        monkeypatch.setenv("REVEALED_SEGMENTS", names)
        assert Settings.load().segments == ["region", "age"]


def test_brackets_without_end_are_a_mistake_wherever_they_stand(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REVEALED_TAGS", "[" * 5_000)
    with pytest.raises(InputError, match="nested too deep"):
        Settings.load()
    monkeypatch.delenv("REVEALED_TAGS")
    with pytest.raises(InputError, match="must be names"):
        Settings.load(segments="[" * 5_000)
    with pytest.raises(InputError, match="segments"):
        Settings.load(segments=[[]])
    (tmp_path / "revealed.toml").write_text("tags = " + "[" * 5_000)
    with pytest.raises(InputError, match="nested too deep"):
        Settings.load()
