"""The level of the NPS probabilities, and cut points that give each category its share."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import root

from features.describe import describe_everyone
from models.population.category_level import (
    category_cuts,
    level_offsets,
    levelled,
    parts_of_everyone,
    probabilities_of_everyone,
)
from models.scoring.members import CategoryParameters, PriorMember, ProportionalOddsMember
from models.scoring.nps import categories, category_probabilities, shifted_probabilities

ODDS = ProportionalOddsMember(((0.0, 4.0),), ((-2.0, 2.0),), (0.0,), (-1.0, 0.5), weight=0.7)
MODEL = CategoryParameters(
    "model", "-", 500, ("x",), (0.2, 0.3, 0.5), (ODDS, PriorMember((0.2, 0.3, 0.5), weight=0.3)), noise=3.0
)
BASE = pd.DataFrame({"x": np.linspace(0.0, 4.0, 2001)})
SHARES = np.array([0.33, 0.3, 0.37])


def test_the_offsets_reach_the_shares_and_a_root_finder_agrees():
    found = levelled(MODEL, {}, [BASE[:900], BASE[900:]], SHARES)
    p = category_probabilities(found, {}, BASE)
    assert p.mean(axis=0) == pytest.approx(SHARES, abs=1e-8)
    assert p.sum(axis=1) == pytest.approx(1.0)
    parts = [
        (member.weight, category_probabilities(replace(MODEL, members=(replace(member, weight=1.0),)), {}, BASE))
        for member in MODEL.members
    ]

    def excess(ends):
        return (
            sum(w * shifted_probabilities(q, [ends[0], 0.0, ends[1]]).mean(axis=0) for w, q in parts)[[0, 2]]
            - SHARES[[0, 2]]
        )

    solution = root(excess, [0.0, 0.0]).x
    assert level_offsets(parts, SHARES) == pytest.approx((solution[0], 0.0, solution[1]), abs=1e-7)
    # The order of customers stays.
    before = category_probabilities(MODEL, {}, BASE)
    assert (np.argsort(p[:, 0], kind="stable") == np.argsort(before[:, 0], kind="stable")).all()
    assert levelled(MODEL, {}, [BASE.iloc[::-1]], SHARES).offsets == found.offsets


def test_each_category_has_the_share_its_probabilities_sum_to():
    found = levelled(MODEL, {}, [BASE[:900], BASE[900:]], SHARES)
    p = category_probabilities(found, {}, BASE)
    named = pd.Series(categories(found, p)).value_counts(normalize=True)
    assert named[["detractor", "passive", "promoter"]].to_numpy() == pytest.approx(SHARES, abs=1e-3)
    m = p[:, 2] - p[:, 0]
    assert m[categories(found, p) == "detractor"].max() < found.cuts[0] <= m[categories(found, p) == "passive"].min()
    assert category_cuts(np.tile([1.0, 0.0, 0.0], (5, 1)))[0] > -1.0
    # A version from before there were cut points gives the median class.
    assert categories(MODEL, np.array([[0.5, 0.1, 0.4], [0.3, 0.3, 0.4]])).tolist() == ["detractor", "passive"]


def test_without_a_signal_there_is_a_level_and_no_category():
    prior = CategoryParameters("prior", "No signal.", 500, ("x",), (0.2, 0.3, 0.5))
    found = levelled(prior, {}, [BASE], SHARES)
    p = category_probabilities(found, {}, BASE)
    assert p[[0, -1]] == pytest.approx(np.tile(SHARES, (2, 1)), abs=1e-8)
    assert found.cuts is None
    assert set(categories(found, p)) == {None}


def test_it_is_stored_with_the_version():
    found = levelled(MODEL, {}, [BASE[:900], BASE[900:]], SHARES)
    again = CategoryParameters.from_dict(found.to_dict())
    assert (again.offsets, again.cuts) == (found.offsets, found.cuts)
    old = {name: value for name, value in found.to_dict().items() if name not in ("offsets", "cuts")}
    assert CategoryParameters.from_dict(old).offsets == (0.0, 0.0, 0.0)


def test_everyone_is_predicted_once_and_as_the_scorer_predicts(simulated_shop, release):
    tables = simulated_shop.tables
    everyone = describe_everyone(tables, release.as_of, release.vocabulary)
    moved = release.with_nps(replace(release.parameters.nps, offsets=(0.2, 0.0, -0.1)))
    for version in (release, moved):
        predicted = probabilities_of_everyone(tables, version)
        np.testing.assert_array_equal(predicted, version.scorer.category_probabilities(everyone))
        scores = version.scorer.score(everyone, with_intervals=False)
        pd.testing.assert_frame_equal(version.scorer.score(everyone, with_intervals=False, nps=predicted), scores)
    assert parts_of_everyone(tables, moved) is parts_of_everyone(tables, release)
