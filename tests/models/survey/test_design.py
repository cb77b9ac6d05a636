"""A sample for a margin: who is drawn, how often, what the margin is, and that the estimate keeps it."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax

from data.errors import InputError
from models.nps.out_of_fold import POINTS
from models.survey.design import EVERYONE, design_sample, draw


def a_base(n, seed=0, **changes):
    """Customers whose behaviour tells what they would answer and whether they do, perfectly known."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    s = 0.9 * z[:, 0]
    p = softmax(np.stack([-0.6 - s, np.zeros(n), 0.4 + s], axis=1), axis=1)
    points = p @ POINTS
    columns = {
        "customer_id": np.char.zfill(np.arange(n).astype(str), 6),
        "segment": EVERYONE,
        "points": points,
        "variance": p @ POINTS**2 - points**2,
        "response": expit(-0.8 + 0.4 * z[:, 0] + 1.2 * z[:, 1]),
        "eligible": True,
    }
    return pd.DataFrame(columns | changes), p


def test_the_fewest_invitations_keep_the_margin():
    base, _ = a_base(6000)
    design = design_sample(base, 5.0)
    assert len(design.strata) == 25
    assert (design.strata["invitations"] >= 2).all()
    assert (design.strata["invitations"] <= design.strata["eligible"]).all()
    assert design.strata["eligible"].sum() == 6000
    assert design.margin <= 5.0
    whole = design.segments.loc[0]
    assert whole["reached"]
    assert whole["invitations"] == design.strata["invitations"].sum() < whole["invitations_at_random"]
    # V as the module states it, summed customer by customer.
    pi = design.strata["inclusion_probability"].to_numpy()[design.customers["stratum"]]
    r = base["response"]
    error = np.sqrt(np.sum(base["variance"] / (pi * r)) / 6000**2 + base["points"].var(ddof=0) / 6000)
    assert design.margin == pytest.approx(1.96 * error, rel=0.01)
    assert design.margin > 4.99
    answers = np.sum(pi * r)
    assert whole["expected_answers"] == pytest.approx(answers)
    assert design.strata["expected_answers"].sum() == pytest.approx(answers)
    closer = design_sample(base, 4.5)
    assert closer.segments.loc[0, "invitations"] > whole["invitations"]


def test_strata_lie_within_segments_and_part_what_differs():
    base, _ = a_base(4000)
    base["segment"] = np.where(np.arange(4000) % 4 == 0, "a", "b")
    design = design_sample(base, 12.0)
    assert design.customers.groupby("stratum")["segment"].nunique().max() == 1
    stratum = design.customers["stratum"].to_numpy()
    for values in (base["points"], np.sqrt(base["variance"] / base["response"])):
        between = values.groupby(stratum).transform("mean")
        assert ((values - between) ** 2).sum() < 0.25 * ((values - values.mean()) ** 2).sum()
    # Customers who are alike are one stratum, however many.
    alike = base.assign(points=10.0, variance=6000.0, response=0.3)
    assert len(design_sample(alike, 12.0).strata) == 2


def test_the_same_customers_in_any_order_of_rows():
    base, _ = a_base(2000)
    base["segment"] = np.random.default_rng(1).choice(["a", "b", "c"], 2000)
    base["eligible"] = np.random.default_rng(2).random(2000) < 0.9
    shuffled = base.sample(frac=1.0, random_state=3)
    one, other = design_sample(base, 15.0), design_sample(shuffled, 15.0)
    pd.testing.assert_frame_equal(one.strata, other.strata, check_exact=True)
    pd.testing.assert_frame_equal(one.segments, other.segments, check_exact=True)
    pd.testing.assert_frame_equal(draw(one, 5), draw(other, 5), check_exact=True)
    assert not draw(one, 5).equals(draw(one, 6))


def test_draws_are_simple_random_samples_within_strata():
    base, _ = a_base(1500)
    base["eligible"] = np.arange(1500) % 5 > 0
    design = design_sample(base, 12.0)
    taken = np.zeros(len(design.customers))
    for seed in range(150):
        drawn = draw(design, seed)
        assert drawn["customer_id"].is_monotonic_increasing
        counts = drawn.groupby("stratum").size()
        assert (counts == design.strata["invitations"]).all()
        taken[design.customers["customer_id"].isin(drawn["customer_id"])] += 1
    exact = (design.strata["invitations"] / design.strata["eligible"]).to_numpy()
    assert (drawn["inclusion_probability"] == exact[drawn["stratum"]]).all()
    assert base.set_index("customer_id").loc[drawn["customer_id"], "eligible"].all()
    pi = exact[design.customers["stratum"]]
    deviation = (taken - 150 * pi) / np.sqrt(np.maximum(150 * pi * (1 - pi), 1e-9))
    assert np.abs(deviation[pi < 1]).max() < 4.5
    assert deviation[pi < 1].std() == pytest.approx(1.0, abs=0.1)


def test_the_estimate_has_the_planned_error_and_beats_a_random_sample_of_its_size():
    """With m and r known the error over draws and answers is the planned one, and the interval covers."""
    base, p = a_base(4000, seed=3)
    design = design_sample(base, 6.0)
    N, truth = len(base), base["points"].mean()
    m, r = base["points"].to_numpy(), base["response"].to_numpy()
    n, rng = int(design.strata["invitations"].sum()), np.random.default_rng(7)
    found = {"designed": [], "random": []}
    for seed in range(600):
        category = (rng.random(N)[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
        answers = rng.random(N) < r
        drawn = draw(design, seed)
        rows = drawn["customer_id"].astype(int).to_numpy()
        samples = {
            "designed": (rows, drawn["inclusion_probability"].to_numpy()),
            "random": (rng.choice(N, n, replace=False), np.full(n, n / N)),
        }
        for name, (asked, pi) in samples.items():
            here = answers[asked]
            of, w = asked[here], 1.0 / (pi * r[asked])[here]
            h = w / w.sum()
            e = POINTS[category[of]] - m[of]
            se = np.sqrt(np.sum(h**2 * (e - h @ e) ** 2))
            found[name].append((truth + h @ e, 1.96 * se))
    designed, at_random = (np.array(found[name]) for name in ("designed", "random"))
    # The base is given here, so its own part of the planned variance does not show.
    planned = np.sqrt(design.margin**2 - 1.96**2 * base["points"].var(ddof=0) / N)
    assert 1.96 * designed[:, 0].std() == pytest.approx(planned, rel=0.09)  # three Monte Carlo errors
    assert designed[:, 1].mean() == pytest.approx(planned, rel=0.03)
    for rows in (designed, at_random):
        assert rows[:, 0].mean() == pytest.approx(truth, abs=0.4)
        assert np.mean(np.abs(rows[:, 0] - truth) <= rows[:, 1]) > 0.92
    pi = design.strata["inclusion_probability"].to_numpy()[design.customers["stratum"]]
    ratio = np.sqrt(np.sum(base["variance"] / (pi * r)) / N / (np.sum(base["variance"] / r) / n))
    assert ratio < 0.93
    widths = np.sqrt((designed[:, 1] ** 2).mean() / (at_random[:, 1] ** 2).mean())
    assert widths == pytest.approx(ratio, rel=0.015)


def test_the_margin_holds_in_each_segment_and_small_ones_say_theirs():
    base, _ = a_base(4000)
    base["segment"] = np.select([np.arange(4000) < 100, np.arange(4000) < 1900], ["small", "middle"], "large")
    base.loc[:49, "eligible"] = False
    design = design_sample(base, 9.0)
    table = design.segments.set_index("segment")
    assert list(table.index) == ["large", "middle", "small"]
    assert table["reached"].tolist() == [True, True, False]
    assert (table.loc[["large", "middle"], "margin"] <= 9.0).all()
    assert table.loc["small", "invitations"] == table.loc["small", "eligible"] == 50
    assert table.loc["small", "customers"] == 100
    assert table.loc["small", "margin"] > 20
    assert np.isnan(table.loc["small", "invitations_at_random"])
    assert design.margin < table["margin"].min()
    base.loc[:99, "eligible"] = False
    nobody = design_sample(base, 9.0).segments.set_index("segment").loc["small"]
    assert nobody["invitations"] == nobody["expected_answers"] == 0
    assert np.isnan(nobody["margin"])


def test_what_cannot_be_is_said():
    base, _ = a_base(300)
    with pytest.raises(InputError, match=r"A margin of 3 points is not possible: asking all 300 .* gives ±(\d+\.\d)"):
        design_sample(base, 3.0)
    try:
        design_sample(base, 3.0)
    except InputError as error:
        reachable = float(str(error).split("±")[1].split(". ")[0])
    design = design_sample(base, reachable)
    assert design.margin <= reachable < design.margin + 0.11
    with pytest.raises(InputError, match="None of the 300 customers may be asked"):
        design_sample(base.assign(eligible=False), 3.0)
    for odd in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="margin must be a number of points above 0"):
            design_sample(base, odd)
    with pytest.raises(
        InputError, match="asking all 5 customers who may be asked would say nothing about the NPS, because too"
    ):
        design_sample(base.iloc[:5], 100.0)
    with pytest.raises(InputError, match="of a who may be asked"):
        design_sample(base.assign(segment=np.where(np.arange(300) < 200, "a", "b")), 3.0)
