"""CDNOW: what is in the file arrives as it is; the simulated survey holds the truth it states."""

import subprocess
import sys
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest
from lifetimes.datasets import load_cdnow_summary_data_with_monetary_value, load_dataset

from data.errors import InputError
from data.samples import cdnow
from data.simulation.answers import nps_probabilities


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cdnow")
    transactions = cdnow.write_cdnow(folder)["transactions"]
    answers = cdnow.write_cdnow_survey(folder, transactions, seed=7)
    return transactions, answers


@pytest.fixture(scope="module")
def answers(shop):
    return pd.read_parquet(shop[1])


def test_purchases_are_those_of_the_file_read_another_way(shop):
    ours = pd.read_parquet(shop[0])
    theirs = load_dataset("CDNOW_master.txt", sep=r"\s+", dtype=str)
    assert len(ours) == 69_659
    assert ours.customer_id.nunique() == 23_570
    assert list(ours.customer_id) == list(theirs.customer_id)
    assert list(ours.ts.astype(str).str.replace("-", "")) == list(theirs.date)
    assert list(ours.quantity.astype(str)) == list(theirs.number_of_cds)
    assert list(ours.amount.astype(str)) == list(theirs.dollar_value)


def test_ids_keep_their_leading_zeros(shop):
    first, shortest = duckdb.execute(
        "select min(customer_id), min(length(customer_id)) from read_parquet(?)", [str(shop[0])]
    ).fetchall()[0]
    assert (first, shortest) == ("00001", 5)


def test_reading_needs_no_import_of_lifetimes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from data.samples.cdnow import write_cdnow\n"
        f"write_cdnow(Path({str(tmp_path)!r}))\n"
        "print(sorted({'lifetimes', 'pandas', 'autograd'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_lifetimes_without_the_file_is_a_clear_mistake(tmp_path, monkeypatch):
    monkeypatch.setattr(cdnow.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install lifetimes"):
        cdnow.write_cdnow(tmp_path)


def test_survey_has_waves_of_invitations_some_answered(answers):
    assert sorted(answers.invited_at.dt.date.unique()) == list(cdnow.SURVEY_WAVES)
    assert cdnow.SURVEY_WAVES[0] == date(1997, 6, 1)
    assert cdnow.SURVEY_WAVES[-1] == date(1998, 6, 1)
    assert 2_000 < answers.score.notna().sum() < 3_000
    assert answers.score.dropna().between(0, 10).all()
    assert (answers.score.isna() == answers.answered_at.isna()).all()
    answered = answers.dropna(subset=["score"])
    assert (answered.answered_at >= answered.invited_at).all()
    assert answered.answered_at.max() < pd.Timestamp("1998-07-01")
    assert not answers.duplicated(["customer_id", "invited_at"]).any()
    assert set(answers.touchpoint) == {"simulated"}


def test_the_share_invited_is_random_and_small(answers):
    per_wave = answers.groupby("invited_at").size() / 23_570
    # Four standard errors of a share of 4 % among 23,570.
    assert np.allclose(per_wave, cdnow.INVITED_SHARE, atol=4 * np.sqrt(0.04 * 0.96 / 23_570))


def expected_nps(transactions, as_of):
    """The NPS of the simulated survey if every customer answered it."""
    _, _, satisfaction = cdnow._satisfaction(transactions, (as_of,))
    probabilities = nps_probabilities(satisfaction, cdnow.RELIABILITY)
    return 100.0 * np.mean(probabilities[:, 2] - probabilities[:, 0])


def test_satisfied_customers_answer_more_often_so_the_survey_is_too_high(shop, answers):
    score = answers.score.dropna()
    survey = 100.0 * ((score >= 9).mean() - (score <= 6).mean())
    truth = np.mean([expected_nps(shop[0], wave) for wave in cdnow.SURVEY_WAVES])
    assert survey - truth > 10


def test_all_invited_answers_would_give_the_true_nps(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(cdnow, "RESPONSE_LOG_ODDS", 50.0)
    monkeypatch.setattr(cdnow, "INVITED_SHARE", 1.0)
    everyone = pd.read_parquet(cdnow.write_cdnow_survey(tmp_path, shop[0], seed=3))
    assert everyone.score.notna().all()
    of_wave = everyone[everyone.invited_at.dt.date == date(1998, 6, 1)].score
    drawn = 100.0 * ((of_wave >= 9).mean() - (of_wave <= 6).mean())
    # The standard error of the NPS of 23,570 answers is about half a point.
    assert abs(drawn - expected_nps(shop[0], date(1998, 6, 1))) < 2.0


def test_behaviour_explains_a_fifth_of_the_answers(shop, answers):
    as_of, customer_id, satisfaction = cdnow._satisfaction(shop[0], cdnow.SURVEY_WAVES)
    truth = pd.DataFrame(
        {"customer_id": customer_id, "as_of": as_of.astype("datetime64[s]"), "satisfaction": satisfaction}
    )
    answered = answers.dropna(subset=["score"])
    answered = answered.assign(as_of=answered.invited_at.dt.normalize())
    joined = answered.merge(truth, on=["customer_id", "as_of"], validate="one_to_one")
    assert len(joined) == len(answered)
    # A little below .2: the scale has eleven points, not a continuum.
    assert 0.12 < np.corrcoef(joined.satisfaction, joined.score)[0, 1] ** 2 < 0.28


def test_same_seed_same_survey(shop, tmp_path):
    again = cdnow.write_cdnow_survey(tmp_path / "a", shop[0], seed=7)
    other = cdnow.write_cdnow_survey(tmp_path / "b", shop[0], seed=8)
    assert again.read_bytes() == shop[1].read_bytes()
    assert other.read_bytes() != shop[1].read_bytes()


def test_later_purchases_change_no_earlier_answer(shop, answers, tmp_path):
    cut = tmp_path / "cut.parquet"
    duckdb.execute(f"copy (from '{shop[0]}' where ts < date '1997-12-01') to '{cut}' (format parquet)")
    early = pd.read_parquet(cdnow.write_cdnow_survey(tmp_path, cut, seed=7))
    waves_before = pd.Timestamp("1997-12-02")
    pd.testing.assert_frame_equal(
        early[early.invited_at < waves_before].reset_index(drop=True),
        answers[answers.invited_at < waves_before].reset_index(drop=True),
    )


def test_only_those_who_have_bought_are_invited(shop, tmp_path):
    late = tmp_path / "late.parquet"
    first = "(select customer_id, min(ts) as first_bought from p group by all)"
    duckdb.execute(
        f"copy (with p as (select customer_id, case when customer_id < '12000' then ts + 300 else ts end as ts,"
        f" quantity, amount from '{shop[0]}') from p) to '{late}' (format parquet)"
    )
    survey = cdnow.write_cdnow_survey(tmp_path, late, seed=7)
    too_early, early = duckdb.execute(
        f"with p as (from '{late}') select count(*) filter (invited_at::date <= first_bought), count(*) filter"
        f" (customer_id < '12000') from '{survey}' join {first} using (customer_id)"
    ).fetchall()[0]
    assert too_early == 0
    assert early > 0


def test_the_purchases_give_the_published_summary(shop):
    """1997-09-30 on the published sample: frequency and recency of `lifetimes`' own summary."""
    ours = duckdb.execute(
        f"select customer_id, count(distinct ts) - 1 as x, max(ts) - min(ts) as t_x from '{shop[0]}'"
        " where ts <= date '1997-09-30' group by all"
    ).fetchall()
    published = load_cdnow_summary_data_with_monetary_value()
    of_customer = {int(customer): (x, t_x) for customer, x, t_x in ours}
    sample = load_dataset("CDNOW_sample.txt", header=None, sep=r"\s+")
    master_ids = sample.groupby(1)[0].first()
    weeks = [(of_customer[i][0], round(of_customer[i][1] / 7, 2)) for i in master_ids]
    assert [x for x, _ in weeks] == list(published.frequency)
    assert np.allclose([t for _, t in weeks], published.recency, atol=0.01)
