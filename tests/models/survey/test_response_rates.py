"""How likely customers are to answer: as those asked before did, at the newest rate; and who was asked lately."""

from dataclasses import replace
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from models.survey.response_rates import (
    DAYS_TO_ANSWER,
    _past_invitations,
    _shifted,
    least_response,
    recently_asked,
    response_rates,
)
from tests.models.kept_orders import had_bought


@pytest.fixture(scope="module")
def asked(simulated_shop):
    """Every invitation to the NPS question, of customers who had bought before."""
    raw = pd.read_parquet(simulated_shop.files["answers"])
    raw = raw[raw["question"] == "nps"]
    raw = raw[had_bought(pd.read_parquet(simulated_shop.files["transactions"]), raw)]
    return raw.assign(day=raw["invited_at"].dt.normalize())


@pytest.fixture(scope="module")
def rates(simulated_shop, release, described):
    return response_rates(simulated_shop.tables, release, simulated_shop.as_of, described)


def test_they_follow_the_true_ones_and_the_newest_share(simulated_shop, rates, described, asked):
    truth = simulated_shop.truth.set_index("customer_id").loc[described["customer_id"], "p_response"].to_numpy()
    assert np.corrcoef(np.log(rates.response), np.log(truth))[0, 1] > 0.8
    assert rates.response.mean() == pytest.approx(truth.mean(), rel=0.15)
    assert rates.response.min() >= least_response(rates.response)
    ripe = asked[asked["day"] < pd.Timestamp(simulated_shop.as_of) - pd.Timedelta(days=DAYS_TO_ANSWER)]
    newest = ripe[ripe["day"] == ripe["day"].max()]
    share = newest["score"].notna().mean()
    assert rates.why == (
        f"Of {len(newest):,} invitations since {newest['day'].max():%Y-%m-%d} {100 * share:.1f} % were answered."
    )


def test_who_was_just_asked_may_still_answer(simulated_shop, release, asked):
    """With as_of right after a wave the rates are those of the waves before."""
    wave = asked["day"].max().date()
    early = wave + timedelta(days=DAYS_TO_ANSWER)
    before = _past_invitations(simulated_shop.tables, release, early, None)
    assert before["invited_at"].max() < pd.Timestamp(wave)
    after = _past_invitations(simulated_shop.tables, release, early + timedelta(days=1), None)
    assert after["invited_at"].max() >= pd.Timestamp(wave)


def test_a_sample_with_only_its_answers_exported_gives_the_rate_too(simulated_shop, release, described, rates, asked):
    """A sampled customer without a record is a non-respondent: an export of answers alone does not mean all answer."""
    tables, as_of = simulated_shop.tables, simulated_shop.as_of
    day = asked["day"][asked["day"] < pd.Timestamp(as_of) - pd.Timedelta(days=DAYS_TO_ANSWER)].max()
    wave = asked[asked["day"] == day]
    sample = wave[["customer_id"]].assign(drawn_on=day.date(), inclusion_probability=0.5)
    answers = tables.answers.filter((tables.answers.invited_at < day) | (tables.answers.score >= 0))
    answers_only = replace(tables, answers=answers)
    found = response_rates(answers_only, release, as_of, described, probability_samples=sample)
    assert found.why == rates.why
    assert found.response == pytest.approx(rates.response, rel=0.05)
    # Before a sample had time to be answered, it shows nothing of the rate.
    early = _past_invitations(answers_only, release, day.date() + timedelta(days=DAYS_TO_ANSWER), sample)
    assert (early["as_of"] + pd.Timedelta(days=release.parameters.label_gap_days)).max() < day


def test_an_expected_rate_is_the_mean_and_keeps_the_order(simulated_shop, release, described, rates):
    def expecting(share):
        return response_rates(simulated_shop.tables, release, simulated_shop.as_of, described, share)

    low = expecting(0.1)
    assert low.response.mean() == pytest.approx(0.1, rel=0.02)  # nobody is below the least
    assert np.corrcoef(low.response, rates.response)[0, 1] > 0.95
    assert "10.0 % are expected to answer" in low.why
    assert (_shifted(rates.response, rates.response, 1.0) == 1).all()
    for share in (0.0, -0.1, 1.5, np.nan):
        with pytest.raises(InputError, match="response rate must be a share above 0 and at most 1"):
            expecting(share)


def test_without_unanswered_invitations_the_rate_must_be_given(simulated_shop, release, described):
    tables, as_of = simulated_shop.tables, simulated_shop.as_of
    answered = replace(tables, answers=tables.answers.dropna("score"))
    # Answers without an invitation tell nothing of who answers invitations, however many there are.
    not_invited = tables.answers.mutate(
        invited_at=ibis.ifelse(tables.answers.score >= 0, ibis.null("timestamp"), tables.answers.invited_at)
    )
    held = {
        "no unanswered invitations": replace(tables, answers=None),
        r"[0-9,]+ unanswered invitations and 0 answered ones": replace(tables, answers=not_invited),
    }
    for why, lacking in held.items():
        with pytest.raises(InputError, match=f"the answers hold {why} .* --response-rate"):
            response_rates(lacking, release, as_of, described)
    found = response_rates(answered, release, as_of, described, 0.25)
    assert (found.response == 0.25).all()
    assert "everyone alike" in found.why


def test_the_least_is_a_tenth_of_the_median_answer():
    rng = np.random.default_rng(0)
    response = rng.beta(1.0, 5.0, 100_000)
    answered = rng.random(100_000) < response
    assert least_response(response) == pytest.approx(np.median(response[answered]) / 10, rel=0.02)


def test_recently_asked_by_hand():
    days = {
        "a": (5, None),
        "b": (31, None),
        "c": (30, 29),
        "d": (40, 2),
        "e": (None, 3),
        "f": (30, None),
        "g": (-1, None),
    }
    as_of = date(2024, 6, 1)

    def back(n):
        return pd.NaT if n is None else pd.Timestamp(as_of) - pd.Timedelta(days=n)

    rows = pd.DataFrame(
        {
            "customer_id": list(days),
            "invited_at": pd.to_datetime([back(invited) for invited, _ in days.values()]),
            "answered_at": pd.to_datetime([back(answered) for _, answered in days.values()]),
            "question": "csat",
        }
    )
    answers = ibis.memtable(rows)
    assert recently_asked(answers, as_of, 30).tolist() == ["a", "c", "d", "e", "f"]
    assert recently_asked(answers, as_of, 0).tolist() == []
    samples = pd.DataFrame(
        {
            "customer_id": ["x", "y", "z", "w"],
            "drawn_on": [as_of - timedelta(days=days) for days in (30, 31, 1, 0)],
        }
    )
    assert recently_asked(None, as_of, 30, samples).tolist() == ["x", "z"]
    assert recently_asked(answers, as_of, 4, samples).tolist() == ["d", "e", "z"]
    with pytest.raises(InputError, match="quiet_days must be 0 or more, got -1"):
        recently_asked(answers, as_of, -1)
