"""The purchase forecast of one scorer: the first stage, what the second one makes of it, and all that follows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from .arrays import Floats
from .bg_nbd import (
    p_alive,
    p_alive_if_judged,
    p_purchase,
    p_purchase_of_the_living,
    purchases_of_the_living,
)
from .boosted.trees import Trees
from .clock.future import Future
from .columns import FORECAST_COLUMNS, PURCHASE_COLUMNS
from .gamma_gamma import expected_spend, kept_spend
from .intervals.revenue_and_value import clv_interval, lifetime_value, revenue_interval
from .parameters import PurchaseParameters, ScorerParameters
from .second_stage.correction import SECOND_STAGE_BOOSTERS, is_behaviour_known, second_stage
from .second_stage.evidence import Evidence, at_level, by_share, p_none_beyond, reach
from .second_stage.first import FIRST_STAGE, first_stage


class Forecast:
    """Predicts purchases and spend of customers described at one date.

    Parameters
    ----------
    parameters : ScorerParameters
        Those of the purchase and spend models and of the second stage are read, the horizons, and what clv needs.
    boosters : Mapping of str to Trees
        Trees by name; others than those of the second stage are left aside.
    """

    def __init__(self, parameters: ScorerParameters, boosters: Mapping[str, Trees]) -> None:
        self.parameters = parameters
        self.purchases, self.spend = parameters.purchases, parameters.spend
        self.trees = {name: boosters[name] for name in SECOND_STAGE_BOOSTERS if name in boosters}

    def of_horizon(self, features: pd.DataFrame, future: Future) -> pd.DataFrame:
        """Predict p_purchase, expected_purchases, expected_spend and expected_revenue; NaN without a purchase model."""
        if self.purchases is None:
            return pd.DataFrame(np.nan, index=features.index, columns=list(FIRST_STAGE[1:]))
        return self._both_stages(features, future, self._is_behaviour_known(features))[1]

    def p_none(self, features: pd.DataFrame, future: Future, days: float) -> Floats:
        """Return the first stage's probability of no purchase within so many days; 1 without a purchase model."""
        if self.purchases is None:
            return np.ones(len(features))
        x, t_x, T, _, _ = self._history(features, future)
        return np.asarray(1.0 - p_purchase(future.length(days), x, t_x, T, self.purchases))

    def beyond_horizon(self, features: pd.DataFrame, future: Future) -> pd.DataFrame:
        """Predict p_churn and clv alone, which have horizons of their own, as `all_figures` does.

        Raises
        ------
        ValueError
            Without a purchase model.
        """
        if self.purchases is None:
            raise ValueError("there is no purchase model")
        return self.all_figures(features, future, with_intervals=False)[["p_churn", "clv"]]

    def all_figures(self, features: pd.DataFrame, future: Future, *, with_intervals: bool = True) -> pd.DataFrame:
        """Give the columns `FORECAST_COLUMNS`: NaN without a purchase model; ends of intervals only where asked for."""
        if self.purchases is None:
            return pd.DataFrame(np.nan, index=features.index, columns=list(FORECAST_COLUMNS))
        x, t_x, T, x_spend, m_spend = self._history(features, future)
        of = self.parameters
        is_known = self._is_behaviour_known(features)
        horizon, clv_horizon = map(future.length, (of.horizon, of.clv_horizon))
        living = purchases_of_the_living(horizon, x, T, self.purchases)
        first, expected = self._both_stages(features, future, is_known, living)
        of_horizon, of_clv = self._of_the_living(
            features, future, first, expected, living, (1.0, reach(of.horizon, of.clv_horizon))
        )
        alive, scale = of_horizon
        alive_later, clv_scale = of_clv
        clv_scale = clv_scale * np.exp(self._level("clv", is_known))
        left, left_later = (-logit(each) if of.second_stage.used else None for each in (alive, alive_later))
        latent = (x, t_x, T, x_spend, m_spend, self.purchases, self.spend)
        discounting = future.discounting(of.clv_horizon, of.annual_rate)
        if with_intervals:
            revenue_low, revenue_high = revenue_interval(
                horizon,
                *latent,
                seed=of.seed,
                uncertainty=of.uncertainty,
                log_odds_left=left,
                horizon_error=future.error(of.horizon),
                living=living,
            )
            clv_low, clv, clv_high = clv_interval(
                clv_horizon,
                of.annual_rate,
                *latent,
                margin=of.margin,
                seed=of.seed,
                uncertainty=of.uncertainty,
                log_odds_left=left_later,
                horizon_error=future.error(of.clv_horizon),
                discounting=discounting,
            )
        else:
            revenue_low = revenue_high = clv_low = clv_high = np.full(len(features), np.nan)
            clv = lifetime_value(
                clv_horizon,
                of.annual_rate,
                *latent,
                margin=of.margin,
                log_odds_left=left_later,
                discounting=discounting,
            )
        return pd.DataFrame(
            {
                "p_alive": p_alive_if_judged(x, t_x, T, self.purchases),
                "p_purchase": expected["p_purchase"],
                "expected_purchases": expected["expected_purchases"],
                "p_churn": self._p_churn(features, future, first, expected, is_known),
                "expected_spend": expected["expected_spend"],
                "expected_revenue": expected["expected_revenue"],
                # A purchase is a day of positive value to the spend model: there is revenue where there is a purchase.
                "p_any_revenue": expected["p_purchase"],
                "revenue_low": revenue_low * scale,
                "revenue_high": revenue_high * scale,
                "clv": clv * clv_scale,
                "clv_low": clv_low * clv_scale,
                "clv_high": clv_high * clv_scale,
                "next_purchase_index": 100.0 * expected["p_purchase"],
            },
            index=features.index,
        )

    def _is_behaviour_known(self, features: pd.DataFrame) -> NDArray[np.bool_]:
        """Say which rows the second stage corrects, (n,): none where there is no such stage."""
        stage = self.parameters.second_stage
        if not stage.used:
            return np.zeros(len(features), dtype=bool)
        return is_behaviour_known(features, stage.features, stage.needed)

    def _both_stages(
        self, features: pd.DataFrame, future: Future, is_known: NDArray[np.bool_], living: Floats | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict the horizon by the first stage alone, and as it is published."""
        assert self.purchases is not None
        length, history = future.length(self.parameters.horizon), self._history(features, future)
        kept = self._kept(features, self.purchases)
        first = first_stage(length, *history, self.purchases, self.spend, kept, living)
        first.index = features.index
        if not self.parameters.second_stage.used:
            return first, first.drop(columns="p_alive")
        return first, second_stage(self.trees, first, features, self.parameters.second_stage, is_known)

    def _of_the_living(
        self,
        features: pd.DataFrame,
        future: Future,
        first: pd.DataFrame,
        second: pd.DataFrame,
        living: Floats,
        shares: tuple[float, float],
    ) -> list[tuple[Floats, Floats]]:
        """Return the probability of being alive and the factor of what the living spend, by shares of the correction.

        The factor holds the returns to come.
        """
        assert self.purchases is not None
        x, t_x, T, x_spend, m_spend = self._history(features, future)
        kept = self._kept(features, self.purchases)
        if not self.parameters.second_stage.used:
            return [(p_alive(x, t_x, T, self.purchases), kept)] * len(shares)
        horizon = future.length(self.parameters.horizon)
        spend = expected_spend(x_spend, m_spend, self.spend) * kept
        revenue_living = living * spend
        p_living = p_purchase_of_the_living(horizon, x, T, self.purchases)
        found = []
        for share in shares:
            corrected = second if share == 1.0 else by_share(first, second, share)
            evidence = Evidence.of(corrected, p_living, revenue_living)
            found.append((evidence.alive, evidence.scale * kept))
        return found

    def _p_churn(
        self,
        features: pd.DataFrame,
        future: Future,
        first: pd.DataFrame,
        second: pd.DataFrame,
        is_known: NDArray[np.bool_],
    ) -> Floats:
        of = self.parameters
        p_none = self.p_none(features, future, of.churn_horizon)
        if not of.second_stage.used:
            return p_none
        corrected = p_none_beyond(p_none, first, second, reach(of.horizon, of.churn_horizon))
        longer = of.churn_horizon >= of.horizon
        return at_level(corrected, second["p_purchase"].to_numpy(float), self._level("churn", is_known), longer)

    def _level(self, name: str, is_known: NDArray[np.bool_]) -> Floats:
        """Return a level of the second stage, (n,): 0 of rows that keep the first stage."""
        return np.where(is_known, self.parameters.second_stage.levels.get(name, 0.0), 0.0)

    def _history(self, features: pd.DataFrame, future: Future) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        x, t_x, T, x_spend, m_spend = (features[name].to_numpy(float) for name in PURCHASE_COLUMNS)
        if future.clock is not None:
            t_x, T = future.clock.times(future.as_of, t_x, T)
        if not self.spend.individual:
            x_spend = m_spend = np.zeros(len(features))
        return x, t_x, T, x_spend, m_spend

    def _kept(self, features: pd.DataFrame, purchases: PurchaseParameters) -> Floats:
        """Return the factor of expected spend after the returns to come, which go by days."""
        x, t_x, T = (features[name].to_numpy(float) for name in PURCHASE_COLUMNS[:3])
        return kept_spend(x, t_x, T, purchases, self.parameters.returns)
