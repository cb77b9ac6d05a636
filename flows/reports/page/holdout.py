"""What the twin expected of the holdout beside what came: day by day, by decile, by past purchases, and as lift."""

import numpy as np
import pandas as pd

from features.outcomes import everyones_purchases_by_day
from flows.reports.page.figures import Figures, plain, records
from flows.steps.fitting import Fitted, Judged
from flows.steps.inputs import Inputs
from models.release.backtest import expected_cumulative_purchases, wins
from models.release.holdout import sampled_tables
from models.release.promotion_gate import Holdout
from models.scoring.clock.clock import day_number
from models.stats.deciles import calibration_by_decile, calibration_by_frequency, lift
from models.stats.typing import Floats

# Days of the tracking that a page draws.
_POINTS = 60


def holdout_figures(inputs: Inputs, fitted: Fitted, judged: Judged) -> Figures | None:
    """Compare the twin's predictions with the holdout; None without one, or without a forecast."""
    if fitted.twin is None or judged.holdout is None or judged.holdout.customers.empty or judged.backtest is None:
        return None
    customers, scorer = judged.holdout.customers, fitted.twin.scorer
    if scorer.purchases is None:
        return None
    predicted = scorer.predict_horizon(customers)
    purchases = predicted["expected_purchases"], customers["purchases"]
    revenue = predicted["expected_revenue"], customers["revenue"]
    return {
        "cutoff": fitted.cutoff.isoformat(),
        "customers": len(customers),
        "measures": {str(name): plain(row.to_dict()) for name, row in judged.backtest.iterrows()},
        "beaten": list(wins(judged.backtest)),
        "tracking": _tracking(inputs, fitted, judged.holdout),
        "by_frequency": records(calibration_by_frequency(customers["frequency"], *purchases)),
        "by_decile": records(calibration_by_decile(*revenue)),
        "lift": {"purchases": plain(lift(*purchases)), "revenue": plain(lift(*revenue))},
    }


def _tracking(inputs: Inputs, fitted: Fitted, holdout: Holdout) -> list[Figures]:
    assert fitted.twin is not None and fitted.twin.scorer.purchases is not None
    scorer = fitted.twin.scorer
    days = np.arange(1.0, fitted.recipe.horizon + 1)
    weight = holdout.weight
    x, t_x, T = (np.asarray(holdout.customers[name], dtype=np.float64) for name in ("frequency", "recency", "T"))
    lengths = days
    if scorer.clock is not None:
        cutoff = day_number(fitted.cutoff)
        lengths, (t_x, T) = scorer.clock.ahead(cutoff, days), scorer.clock.times(cutoff, t_x, T)
    shown = np.unique(np.round(np.linspace(0, days.size - 1, min(_POINTS, days.size))).astype(int))
    expected = expected_cumulative_purchases(lengths[shown], x, t_x, T, fitted.twin.scorer.purchases)
    actual = weight * purchases_since(inputs, fitted)[shown]
    dates = np.datetime64(fitted.cutoff, "D") + days[shown].astype("timedelta64[D]")
    rows = zip(dates, actual, expected, strict=True)
    return [{"day": str(day), "actual": float(came), "expected": float(weight * was)} for day, came, was in rows]


def purchases_since(inputs: Inputs, fitted: Fitted) -> Floats:
    """Cumulative purchases, (horizon,), of the holdout's customers within 1, 2, ... days after the cutoff."""
    tables, until = sampled_tables(inputs.tables, fitted.cutoff, fitted.recipe), inputs.as_of
    by_day = everyones_purchases_by_day(tables, fitted.cutoff, until)
    offset = (by_day["date"] - pd.Timestamp(fitted.cutoff)).dt.days
    daily = np.zeros(fitted.recipe.horizon)
    inside = (offset >= 0) & (offset < fitted.recipe.horizon)
    np.add.at(daily, offset[inside], by_day.loc[inside, "purchases"])
    return np.cumsum(daily)
