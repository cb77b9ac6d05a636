"""`revealed measures`: read from files, over any window, by any segment, as tables and as JSON."""

import json

import pandas as pd
import pytest

from features.measures.intervals import change_interval, nps_interval


@pytest.fixture
def tables(shop):
    named = ("transactions", "answers", "events", "customers")
    return [text for name in named for text in (f"--{name}", str(shop[name]))]


def measured(revealed, *arguments):
    code, out, err = revealed("measures", *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_json_holds_every_measure_with_its_definition_or_the_reason_why_not(revealed, tables, shop, own_environment):
    result = measured(revealed, *tables, "--as-of", "2024-05-01", "--days", 60)
    assert result["window"] == {"from": "2024-03-02", "to_exclusive": "2024-05-01"}
    by_name = {row["measure"]: row for row in result["measures"]}
    assert all(row["definition"] for row in by_name.values())
    assert all((row["value"] is None) <= (row["why"] is not None) for row in by_name.values())
    assert "no answers to the question ces" in by_name["ces"]["why"]
    assert not (own_environment / "mlruns").exists()

    answers = pd.read_parquet(shop["answers"])
    nps = answers[(answers["question"] == "nps") & answers["score"].notna()]
    for window, value in (("2024-03-02", by_name["nps"]["value"]), ("2024-01-02", by_name["nps"]["before"])):
        start = pd.Timestamp(window)
        scores = nps[nps["answered_at"].between(start, start + pd.Timedelta(days=60), inclusive="left")]["score"]
        assert value == pytest.approx(100 * ((scores >= 9).mean() - (scores <= 6).mean()))
    assert by_name["nps"]["change"] == pytest.approx(by_name["nps"]["value"] - by_name["nps"]["before"])


def test_a_window_may_be_named_by_its_first_day(revealed, tables):
    by_days = measured(revealed, *tables, "--as-of", "2024-05-01", "--days", 60)
    assert measured(revealed, *tables, "--as-of", "2024-05-01", "--from", "2024-03-02") == by_days


def test_segments_add_up_to_everyone(revealed, tables, shop):
    everyone = {row["measure"]: row for row in measured(revealed, *tables)["measures"]}
    regions = set(pd.read_parquet(shop["customers"])["region"].dropna())
    by_region = measured(revealed, *tables, "--by", "region")["measures"]
    assert {row["group"] for row in by_region if row["value"] is not None} == regions
    for name in ("nps", "repeat_share"):
        assert sum(row["n"] for row in by_region if row["measure"] == name) == everyone[name]["n"]
    by_touchpoint = measured(revealed, *tables, "--by", "touchpoint")["measures"]
    assert {row["group"] for row in by_touchpoint if row["measure"] == "nps"} == {"simulated"}
    assert any(row["measure"] == "arpu" and "touchpoint" in row["why"] for row in by_touchpoint)
    # Without a champion the cut points are those of today's base.
    by_rfm = measured(revealed, *tables, "--by", "rfm")["measures"]
    assert {"champions", "lost"} <= {row["group"] for row in by_rfm}
    # Who gave everything back has answers, but no purchase and so no segment.
    names = 'rfm_segments={recent=["4-5", "1-5"], silent=["1-3", "1-5"]}'
    by_own = measured(revealed, *tables, "--by", "rfm", "--set", names)["measures"]
    assert {row["group"] for row in by_own if row["value"] is not None} == {"recent", "silent", "not known"}
    costs = {row["group"] for row in measured(revealed, *tables, "--by", "cost_to_serve")["measures"]}
    assert len(costs - {"everyone", "not known"}) == 5


def written(folder, **tables):
    """Write tables of a few lines as CSV; the options that name them."""
    options = []
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        options += [f"--{name}", str(folder / f"{name}.csv")]
    return options


def test_a_column_of_customers_is_meant_where_the_rows_have_none_of_that_name(revealed, tmp_path, own_environment):
    sales = ["customer_id,ts,amount", "a,2024-01-05,10", "a,2024-01-09,10", "ж,2024-01-06,10"]
    people = ["customer_id,channel,valid_from", "a,web,", "ж,магазин,"]
    answers = ["customer_id,answered_at,score", "a,2024-01-07,10"]
    options = written(tmp_path, transactions=sales, customers=people, answers=answers)
    rows = measured(revealed, *options, "--by", "channel")["measures"]
    values = {(row["measure"], row["group"]): row["value"] for row in rows}
    assert (values["repeat_share", "web"], values["repeat_share", "магазин"], values["nps", "web"]) == (100, 0, 100)
    (tmp_path / "transactions.csv").write_text("customer_id,ts,amount,channel\na,2024-01-05,10,app\n")
    rows = measured(revealed, *options[:2], *options[4:], "--by", "channel")["measures"]
    assert {row["group"] for row in rows if row["value"] is not None} == {"app"}
    for by, message in (
        ("touchpoint", "touchpoint: no row of answers has one"),
        ("store", "store: no row of transactions has one"),
        ("customer_id", "customer_id: no column of customers to segment by"),
        ("valid_from", "valid_from: no column of customers to segment by"),
    ):
        code, _, err = revealed("measures", *options, "--by", by)
        assert (code, message in " ".join(err.split())) == (2, True)


def test_a_change_is_told_with_its_interval_and_both_numbers_of_answers(revealed, tmp_path, own_environment):
    sales = ["customer_id,ts,amount", *(f"c{i},2024-01-01,10" for i in range(30)), "c0,2024-03-30,10"]
    before = [f"c{i},2024-02-10,{10 if i < 8 else 0}" for i in range(12)]
    now = [f"c{i},2024-03-20,{10 if i < 27 else 0}" for i in range(30)]
    options = written(tmp_path, transactions=sales, answers=["customer_id,answered_at,score", *before, *now])
    _, out, _ = revealed("measures", *options, "--days", 30)
    _, row = (line.split() for line in out.splitlines() if line.startswith("Net promoter score"))
    change, low, high = change_interval(nps_interval([3], [0], [27]), nps_interval([4], [0], [8]))
    assert " ".join(row).endswith(f"survey 30 12 {change[0]:+.1f} {low[0]:+.1f} to {high[0]:+.1f}")
    nps = next(row for row in measured(revealed, *options, "--days", 30)["measures"] if row["measure"] == "nps")
    assert (nps["n"], nps["n_before"]) == (30, 12)
    assert (nps["change_low"], nps["change_high"]) == (pytest.approx(low[0]), pytest.approx(high[0]))


def test_one_answer_is_no_level(revealed, tmp_path, own_environment):
    sales = ["customer_id,ts,amount", "a,2024-01-05,10"]
    options = written(tmp_path, transactions=sales, answers=["customer_id,answered_at,score", "a,2024-01-05,10"])
    _, out, _ = revealed("measures", *options)
    text = " ".join(out.split())
    assert "The NPS of +100.0 is that of one answer: fewer than 10 tell no level." in text
    assert "Net promoter score of the survey: of fewer than 10, which tells no level." in text
    assert "world class" not in text


def test_a_caution_names_the_segments_it_is_of(revealed, tmp_path, own_environment):
    sales = ["customer_id,ts,amount,cost", "a,2024-01-05,10,4", "b,2024-01-05,10,", "b,2024-01-06,10,5"]
    people = ["customer_id,size,cost_to_serve", "a,small,1", "b,large,1"]
    options = written(tmp_path, transactions=sales, customers=people)
    _, out, _ = revealed("measures", *options, "--by", "size")
    text = " ".join(out.split())
    assert "by 2 segments" in text
    assert "in total of large: cost is not known of 50 % of the lines: taken as 0" in text
    # What is true of all segments names none.
    options = written(tmp_path, transactions=[sales[0], sales[1], "b,2024-01-05,10,2"], customers=people)
    _, out, _ = revealed("measures", *options, "--by", "size")
    assert "Share of customers who order again, Repeat orders to first orders" in out
    assert " of small, large" not in out


def test_people_get_a_table_what_it_means_and_what_is_missing(revealed, tables):
    code, out, _ = revealed("measures", *tables)
    text = " ".join(out.split())
    assert code == 0
    assert "Repurchase ratio" in out
    assert "is usually read as" in text
    assert "Not measured" in text
    code, out, _ = revealed("measures", *tables, "--by", "region")
    assert "Net promoter score of the survey\n" in out
    assert "north" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "planet"), "a text of 6 characters: no column of customers to segment by"),
        (("--by", "regoin"), "Nearest: 'region'."),
        (("--by", "region", "--by", "rfm"), "--by takes one segmentation at a time, got a list of 2"),
        (("--by", "persona"), "persona: no column of customers to segment by"),
        (("--days", "800000"), "begin before the year 1"),
        (("--from", "2024-05-02", "--as-of", "2024-05-01"), "holds no day before its end"),
        (("--from", "2024-03-02", "--days", "3"), "leave out --from, or --days"),
    ],
)
def test_a_mistake_is_told(revealed, tables, arguments, message):
    code, _, err = revealed("measures", *tables, *arguments)
    assert code == 2
    assert message in " ".join(err.split())
