"""Cohorts: what was counted beside pandas, what is forecast beside the scores, and intervals beside the truth."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features.describe import materialise
from features.purchases import purchase_summary
from models.population.cohorts import MONTHS, cohorts_ahead, forecast_months, month_of, months_of
from models.population.counted_groups import count_groups
from models.population.group_forecasts import forecast_groups
from models.population.sums_ahead import HISTORY
from models.scoring.bg_nbd import expected_purchases, p_purchase
from models.scoring.clock.clock import day_number
from models.scoring.clock.future import Future
from models.scoring.gamma_gamma import expected_spend
from models.scoring.parameters import PurchaseParameters, SpendParameters
from tests.models.kept_orders import kept_sales
from tests.models.simulated_purchases import simulate_purchases

AS_OF = date(2024, 1, 1)
PURCHASES = PurchaseParameters(0.8, 40.0, 0.9, 3.0, 1)
SPEND = SpendParameters(4.0, 5.0, 60.0)


def known(release, horizon: int):
    """The release with parameters that are the truth, so that nothing is uncertain but what customers do."""
    true = {"purchases": PURCHASES, "spend": SPEND, "uncertainty": None, "clock": None, "horizon": horizon}
    return replace(release, parameters=replace(release.parameters, **true))


def simulated(rng: np.random.Generator, customers: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores by the truth, history, and each customer's own rate, dropout chance and level of spend."""
    T = rng.integers(0, 365, customers).astype(float)
    truth = simulate_purchases(T, PURCHASES, rng)
    x, t_x = truth["frequency"].to_numpy(), np.floor(truth["recency"].to_numpy())
    level = rng.gamma(SPEND.q, 1 / SPEND.v, customers)
    mean = np.where(x > 0, rng.gamma(SPEND.p * np.maximum(x, 1), 1 / level) / np.maximum(x, 1), 0.0)
    history = pd.DataFrame(dict(zip(HISTORY, (x, t_x, T, x, mean), strict=True)))
    days = np.datetime64(AS_OF) - (T + 1).astype("timedelta64[D]")
    scores = pd.DataFrame({"first_purchase": days, "last_purchase": days + t_x.astype("timedelta64[D]")})
    scores["p_purchase"] = p_purchase(91.0, x, t_x, T, PURCHASES)
    spend = expected_spend(x, mean, SPEND)
    scores["expected_revenue"] = expected_purchases(91.0, x, t_x, T, PURCHASES) * spend
    return scores, history, truth.assign(level=level)


def test_forecasts_add_up_to_the_published_ones(release):
    scores, history, _ = simulated(np.random.default_rng(3), 3000)
    # January to March of 2024 are the 91 days of the horizon.
    ahead = cohorts_ahead(scores, history, known(release, 91), AS_OF, 3)
    sizes = scores["first_purchase"].dt.to_period("M").value_counts()
    by_end = ahead[ahead["month"] == month_of(date(2024, 3, 1))]
    periods = [pd.Period(year=c // 12, month=c % 12 + 1, freq="M") for c in by_end["cohort"]]
    total = (by_end["value"].to_numpy() * sizes[periods].to_numpy()).sum()
    assert total == pytest.approx(scores["expected_revenue"].sum(), rel=1e-3)
    assert ahead["share"].between(ahead["low"], ahead["high"]).mean() > 0.9
    # A second stage may expect more of a customer than of one who surely lives.
    more, group = scores.assign(p_purchase=(2.5 * scores["p_purchase"]).clip(upper=1.0)), np.arange(3000) % 4
    (of,) = forecast_groups(more, history, known(release, 91), Future(None, 0), np.array([91.0]), [group])
    assert of.buyers[:, 0] == pytest.approx(np.bincount(group, weights=more["p_purchase"]))
    assert of.value[:, 0] == pytest.approx(np.bincount(group, weights=more["expected_revenue"]))


def test_ninety_percent_intervals_hold_nine_in_ten_of_what_comes(release):
    customers, inside = 1200, {name: [] for name in ("share", "value")}
    of_groups = {name: [] for name in ("buyers in the horizon", "share", "value", "share of few", "value of few")}
    ends = np.array([(date(2024, 1 + k, 1) - AS_OF).days for k in range(1, MONTHS + 1)], dtype=float)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        scores, history, truth = simulated(rng, customers)
        shop = (scores, history, known(release, 91))
        cohort = (scores["first_purchase"].dt.year * 12 + scores["first_purchase"].dt.month - 1).to_numpy()
        # Two groupings whose groups cut through the cohorts, and each cohort of a group: of some sixteen customers.
        groupings = [rng.integers(0, 6, customers), rng.integers(0, 6, customers)]
        few = np.unique(groupings[0] * 100_000 + cohort, return_inverse=True)[1]
        forecasts = forecast_groups(*shop, Future(None, day_number(AS_OF)), ends[2:3], groupings)
        of_cohorts = np.unique(cohort, return_inverse=True)[1]
        ahead = forecast_months(*shop, AS_OF, MONTHS, [*groupings, few, of_cohorts])
        places = [(of_groups, "", groupings[0]), (of_groups, "", groupings[1])]
        places += [(of_groups, " of few", few), (inside, "", of_cohorts)]
        rate, alive = truth["lambda"].to_numpy(), truth["alive"].to_numpy()
        last = rng.geometric(truth["p"].to_numpy())
        bought, before, start = np.zeros(customers, dtype=int), np.zeros(customers, dtype=int), 0.0
        paid = np.zeros(customers)
        for k, end in enumerate(ends):
            bought = bought + rng.poisson(rate * (end - start))
            n = np.where(alive, np.minimum(bought, last), 0)
            new = n - before
            paid += np.where(new > 0, rng.gamma(SPEND.p * np.maximum(new, 1), 1 / truth["level"].to_numpy()), 0.0)
            for (hits, kind, place), months in zip(places, ahead, strict=True):
                came = pd.DataFrame({"share": (new > 0).astype(float), "value": paid}).groupby(place).mean()
                of_month = months[months["month"] == month_of(AS_OF) + k].set_index("place")
                low, high = of_month["low"] - 1e-9, of_month["high"] + 1e-9
                hits["share" + kind] += came["share"].between(low, high).tolist()
                hits["value" + kind] += came["value"].between(of_month["value_low"], of_month["value_high"]).tolist()
            if k == 2:
                for grouping, forecast in zip(groupings, forecasts, strict=True):
                    buyers = np.bincount(grouping, weights=n > 0)
                    expected = np.bincount(grouping, weights=scores["p_purchase"])
                    assert forecast.buyers[:, 0] == pytest.approx(expected)
                    within = (forecast.low.T[0] <= buyers) & (buyers <= forecast.high.T[0])
                    of_groups["buyers in the horizon"] += list(within)
            before, start = n, end
    # 12 shops of 12 cohorts in 6 months, which depend on each other within a cohort: 144 independent ones at least. Of
    # groups as many, in two groupings of 6.
    for name, hits in [*inside.items(), *of_groups.items()]:
        assert abs(np.mean(hits) - 0.9) < 3.5 * np.sqrt(0.9 * 0.1 / 144), name


def test_what_is_past_is_counted_and_who_has_bought_this_month_is_known(simulated_shop, release):
    tables, as_of = simulated_shop.tables, release.as_of - timedelta(days=10)
    summary = materialise(purchase_summary(tables, as_of))
    scores = summary.join(release.scorer.predict_horizon(summary))
    past, _ = count_groups(tables, as_of, [], summary["customer_id"], months_of(summary["first_purchase"]))
    days = kept_sales(pd.read_parquet(simulated_shop.files["transactions"]), as_of)
    months = days["ts"].dt.year * 12 + days["ts"].dt.month - 1
    first = months.groupby(days["customer_id"]).transform("min")
    counted = past.set_index(["cohort", "month"])["buyers"]
    assert counted.to_dict() == days["customer_id"].groupby([first, months]).nunique().to_dict()
    assert past["value"].sum() == pytest.approx(summary["total_value"].sum(), rel=1e-2)
    ahead, here = cohorts_ahead(scores, summary, release, as_of, 2), month_of(as_of)
    under_way = ahead[ahead["month"] == here].set_index("cohort")["share"]
    sizes = first.groupby(days["customer_id"]).first().value_counts()
    known_share = counted.xs(here, level="month").reindex(under_way.index).fillna(0) / sizes[under_way.index]
    assert (under_way >= known_share - 1e-12).all()
    assert known_share[here] == under_way[here] == 1.0
