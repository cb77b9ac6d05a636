"""Whom to ask of a simulated shop: the list, its figures, who is not asked, and its sentences."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from models.scoring.members import CategoryParameters, PriorMember
from models.survey.invitations import plan_sample


@pytest.fixture(scope="module")
def as_of(simulated_shop):
    return simulated_shop.as_of


@pytest.fixture(scope="module")
def sample(simulated_shop, release, as_of):
    return plan_sample(simulated_shop.tables, release, as_of=as_of, margin=12.0, quiet_days=38, seed=3)


@pytest.fixture(scope="module")
def contacts(simulated_shop):
    """Last day on which each customer was invited or answered."""
    raw = pd.read_parquet(simulated_shop.files["answers"])
    return raw.groupby("customer_id")[["invited_at", "answered_at"]].max().max(axis=1).dt.normalize()


def test_the_list_and_its_figures_agree(sample, described, predicted, as_of, contacts):
    figures, rows = sample.figures, sample.list
    assert list(rows) == ["customer_id", "segment", "stratum", "inclusion_probability"]
    assert rows["customer_id"].is_unique
    assert rows["customer_id"].isin(described["customer_id"]).all()
    assert len(rows) == figures.invitations == sample.strata["invitations"].sum()
    quiet = described["customer_id"].map(contacts) >= pd.Timestamp(as_of) - pd.Timedelta(days=38)
    assert 0 < figures.quiet == quiet.sum() < figures.customers == len(described)
    assert not rows["customer_id"].isin(described["customer_id"][quiet]).any()
    assert figures.eligible == figures.customers - figures.quiet == sample.strata["eligible"].sum()
    assert figures.expected_margin <= 12.0
    assert figures.expected_answers == pytest.approx(sample.strata["expected_answers"].sum())
    # Horvitz and Thompson: the inverse probabilities of the drawn sum to who may be asked, exactly in strata.
    assert (1.0 / rows["inclusion_probability"]).sum() == pytest.approx(figures.eligible)
    points = 100.0 * (predicted["p_promoter"] - predicted["p_detractor"])[~quiet.to_numpy()]
    assert np.average(sample.strata["mean_nps"], weights=sample.strata["eligible"]) == pytest.approx(points.mean())
    assert json.loads(json.dumps(figures.to_dict()))["quiet_days"] == 38


def test_it_is_told(sample):
    figures = sample.figures
    assert sample.sentences[0] == (
        f"To know the NPS of the base to ±12 points (95 %), {figures.invitations:,} of {figures.eligible:,} customers "
        f"who may be asked are invited; about {figures.expected_answers:,.0f} of them will answer."
    )
    text = " ".join(sample.sentences)
    assert f"{figures.quiet} customers were asked or answered in the last 38 days and are not asked again" in text
    assert f"A simple random sample would need {figures.invitations_at_random} invitations." in text
    assert "% were answered." in sample.sentences[-1]
    assert sample.notes == ()


def test_it_is_drawn_again_and_who_was_drawn_is_asked_no_more(simulated_shop, release, as_of, sample):
    def draw(**changes):
        arguments = {"as_of": as_of, "margin": 12.0, "quiet_days": 38, "seed": 3}
        return plan_sample(simulated_shop.tables, release, **(arguments | changes))

    again = draw()
    pd.testing.assert_frame_equal(again.list, sample.list, check_exact=True)
    assert again.figures == sample.figures
    earlier = sample.list[["customer_id", "inclusion_probability"]].assign(drawn_on=as_of - timedelta(days=1))
    later = draw(probability_samples=earlier, margin=18.0)
    assert not later.list["customer_id"].isin(earlier["customer_id"]).any()
    assert later.notes == ("With fewer than 200 answers the margin itself is uncertain: it may turn out 20 % wider.",)
    assert later.figures.quiet == sample.figures.quiet + len(earlier)


def test_lists_of_two_days_are_drawn_apart(simulated_shop, release, as_of, sample):
    """One seed of nearly the same base would draw nearly the same customers, list after list."""
    today, day = sample.list, as_of - timedelta(days=1)
    yesterday = plan_sample(simulated_shop.tables, release, as_of=day, margin=12.0, quiet_days=38, seed=3).list
    chance = today["inclusion_probability"]
    both = today["customer_id"].isin(yesterday["customer_id"]).sum()
    assert abs(both - chance.sum()) < 5 * np.sqrt((chance * (1 - chance)).sum())


def test_by_segment_each_has_the_margin_or_says_its_own(simulated_shop, release, as_of, described, sample):
    who = described["customer_id"]
    segment = pd.Series(np.where(np.arange(len(who)) < 30, "few", "many"), index=who)
    segment.iloc[30:600] = None
    found = plan_sample(
        simulated_shop.tables, release, as_of=as_of, margin=22.0, quiet_days=38, segment=segment, seed=3
    )
    table = found.segments.set_index("segment")
    assert list(table.index) == ["few", "many", "not known"]
    assert table["reached"].tolist() == [False, True, True]
    assert found.list.groupby("segment").size().to_dict() == table["invitations"].to_dict()
    assert (found.list["segment"] == "few").sum() == table.loc["few", "eligible"] <= 30
    assert found.notes[:-1] == (
        f"Too small for ±22, although all their customers are asked: few ±{table.loc['few', 'margin']:.1f} "
        f"({table.loc['few', 'eligible']} customers).",
    )
    assert f"The NPS of the whole base will then be known to ±{found.figures.expected_margin:.1f}." in found.sentences
    assert found.figures.expected_margin < 22.0
    assert found.figures.invitations_at_random is None


def test_without_a_model_answers_vary_as_the_prior_or_as_much_as_they_can(simulated_shop, release, as_of):
    prior = (0.2, 0.3, 0.5)

    def assuming(source, **changes):
        members = (PriorMember(prior),) if source else ()
        nps = CategoryParameters(source, "Too few.", prior=prior, members=members)
        assumed = replace(release, parameters=replace(release.parameters, nps=nps))
        arguments = {"as_of": as_of, "margin": 18.0, "quiet_days": 0, "response_rate": 0.5}
        return plan_sample(without_answers, assumed, **(arguments | changes))

    without_answers = replace(simulated_shop.tables, answers=None)
    by_prior, worst = assuming("prior"), assuming(None)
    assert "Behaviour does not tell who is a promoter" in by_prior.notes[0]
    assert worst.notes[0].endswith("half promoters and half detractors: Too few.")
    # 100^2 (.7 - .3^2) against 100^2.
    ratio = worst.figures.invitations / by_prior.figures.invitations
    assert 1.1 < ratio < 1.15 * 10_000 / 6_100
    assert by_prior.figures.quiet == 0
    assert by_prior.strata["mean_nps"].to_numpy() == pytest.approx(30.0)
    # Nothing parts the customers, so this is a simple random sample.
    assert len(worst.strata) == 1
    assert worst.figures.invitations == worst.figures.invitations_at_random
    assert "A simple random sample" not in " ".join(worst.sentences)


def test_what_cannot_be_is_said(simulated_shop, release, as_of):
    def plan(**changes):
        arguments = {"as_of": as_of, "margin": 14.0, "quiet_days": 38}
        return plan_sample(without_answers, release, response_rate=0.3, **(arguments | changes))

    without_answers = replace(simulated_shop.tables, answers=None)
    with pytest.raises(InputError, match=r"A margin of 1 points is not possible"):
        plan(margin=1.0)
    with pytest.raises(InputError, match=r"None of the 1,\d+ customers may be asked"):
        plan(quiet_days=5000, probability_samples=pd.DataFrame(_all(simulated_shop, as_of)))
    with pytest.raises(InputError, match="no purchase is visible before 2020-01-01"):
        plan(as_of=as_of.replace(year=2020, month=1, day=1))


def _all(shop, as_of):
    ids = pd.read_parquet(shop.files["transactions"], columns=["customer_id"])["customer_id"].unique()
    return {"customer_id": ids, "drawn_on": as_of - timedelta(days=1)}
