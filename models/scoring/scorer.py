"""The scorer: from the features of customers to all their scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from .arrays import Floats
from .boosted.trees import Trees
from .clock.clock import Clock
from .clock.future import Future
from .clock.rows import AS_OF, numbered_dates
from .columns import PROBABILITIES, PURCHASE_COLUMNS, SCORE_COLUMNS, check_purchase_columns
from .forecast import Forecast
from .members import CategoryParameters
from .nps import categories, category_probabilities
from .parameters import ScorerParameters, scorer_sections


@lru_cache(maxsize=64)
def _parse(text: str) -> Trees:
    return Trees(text)


def parse_trees(texts: Mapping[str, str]) -> dict[str, Trees]:
    """Parse trees in LightGBM text by name; a text is parsed once."""
    return {name: _parse(text) for name, text in texts.items()}


class Scorer:
    """Scores customers from their features with the parameters of one release.

    Parameters
    ----------
    parameters : ScorerParameters
        What a release was fitted to.
    boosters : Mapping of str to str, optional
        Trees as LightGBM text by name: "nps_" and "satisfaction_" followed by "ridit", "above_detractor" and
        "above_passive", where those models use them, and "buys", "purchases" and "revenue" of the second stage.
    """

    def __init__(self, parameters: ScorerParameters, boosters: Mapping[str, str] | None = None) -> None:
        self.parameters = parameters
        self.purchases, self.spend = parameters.purchases, parameters.spend
        self.boosters = parse_trees(boosters or {})
        self.clock = None if parameters.clock is None else Clock(parameters.clock)
        self.forecast = Forecast(parameters, self.boosters)

    @classmethod
    def from_files(cls, parameters: str | Path, boosters: Mapping[str, str | Path] | None = None) -> Scorer:
        """Read a scorer from its JSON parameters and, where it has trees, their LightGBM texts by name."""
        texts = {name: Path(file).read_text(encoding="utf-8") for name, file in (boosters or {}).items()}
        values = json.loads(Path(parameters).read_text(encoding="utf-8"))
        return cls(ScorerParameters(**scorer_sections(values)), texts)

    def score(self, features: pd.DataFrame, *, with_intervals: bool = True, nps: Floats | None = None) -> pd.DataFrame:
        """Score each row of the features table.

        Parameters
        ----------
        features : pandas.DataFrame
            Columns by name: `PURCHASE_COLUMNS` (times in days) and the features of the second stage and of the NPS
            category; of the latter two any may be missing or NaN. A scorer with a clock also reads ``as_of``, the date
            (exclusive) that the row is described at. Other columns are ignored.
        with_intervals : bool
            Whether to simulate the ends of intervals; without them they are NaN.
        nps : numpy.ndarray, optional
            (n, 3) what `category_probabilities` gives for the rows, where it is known already.

        Returns
        -------
        pandas.DataFrame
            `SCORE_COLUMNS`, same index as ``features``.

        Raises
        ------
        ValueError
            Where a purchase column is missing or holds what cannot be: the message names column and rows.
        """
        purchases = self.score_purchases(features, with_intervals=with_intervals)
        scores = pd.concat([purchases, self._score_category(features, nps)], axis=1)
        return scores[list(SCORE_COLUMNS)]

    def score_purchases(self, features: pd.DataFrame, *, with_intervals: bool = True) -> pd.DataFrame:
        """Give the columns of `score` that forecast purchases and their value, `FORECAST_COLUMNS`, alone."""
        check_purchase_columns(features)
        return self._at_each_date(features, partial(self.forecast.all_figures, with_intervals=with_intervals))

    def _at_each_date(
        self, features: pd.DataFrame, predict: Callable[[pd.DataFrame, Future], pd.DataFrame]
    ) -> pd.DataFrame:
        """Predict the rows of each as_of by what lies ahead of it; without a clock that is the same for all."""
        if self.clock is None:
            return predict(features, Future())
        dates = numbered_dates(features)
        parts, places = [], []
        for as_of in np.unique(dates):
            rows = np.flatnonzero(dates == as_of)
            parts.append(predict(features.iloc[rows], Future(self.clock, int(as_of))))
            places.append(rows)
        if not parts:
            return predict(features, Future())
        return pd.concat(parts).iloc[np.argsort(np.concatenate(places), kind="stable")]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are read: first those that must be there, then those that may be."""
        of = self.parameters
        of_satisfaction = () if of.satisfaction is None else of.satisfaction.features
        features = (*of.nps.features, *of_satisfaction, *of.second_stage.features)
        return tuple(dict.fromkeys((*self.needed_columns, *features)))

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """Those of the columns that must be there."""
        return PURCHASE_COLUMNS if self.clock is None else (*PURCHASE_COLUMNS, AS_OF)

    @property
    def has_forecast(self) -> bool:
        """Whether there is a purchase model; without a repeat purchase there is none to learn from."""
        return self.purchases is not None

    @property
    def has_second_stage(self) -> bool:
        """Whether trees that read behavioural features correct the purchase and spend models."""
        return self.parameters.second_stage.used

    def predict_horizon(self, features: pd.DataFrame) -> pd.DataFrame:
        """Predict purchases and spend of each row within the horizon, by the second stage where there is one.

        Parameters
        ----------
        features : pandas.DataFrame
            As in `score`.

        Returns
        -------
        pandas.DataFrame
            p_purchase, expected_purchases, expected_spend and expected_revenue, same index as ``features``; NaN where
            there is no purchase model.
        """
        return self._at_each_date(features, self.forecast.of_horizon)

    def p_silent(self, features: pd.DataFrame, days: float) -> pd.Series:
        """Return each row's probability of no purchase within so many days, by the purchase model alone.

        It is 1 where there is none, as nobody has ever bought again.
        """

        def at_date(rows: pd.DataFrame, future: Future) -> pd.DataFrame:
            return pd.DataFrame({"p_silent": self.forecast.p_none(rows, future, days)}, index=rows.index)

        return self._at_each_date(features, at_date)["p_silent"]

    def _score_category(self, features: pd.DataFrame, nps: Floats | None = None) -> pd.DataFrame:
        source, n = self.parameters.nps.source, len(features)
        scores = pd.DataFrame(index=features.index)
        if source:
            probabilities = self.category_probabilities(features) if nps is None else nps
        else:
            probabilities = np.full((n, 3), np.nan)
        for k, name in enumerate(PROBABILITIES):
            scores[name] = probabilities[:, k]
        scores["nps_category"] = pd.Series(
            categories(self.parameters.nps, probabilities), index=features.index, dtype=object
        )
        scores["nps_source"] = pd.Series(source, index=features.index, dtype=object)
        satisfaction = self.parameters.satisfaction
        scores["p_satisfied"] = np.nan
        if satisfaction is not None and satisfaction.source is not None:
            scores["p_satisfied"] = self._probabilities("satisfaction", satisfaction, features)[:, 2]
        return scores

    def category_probabilities(self, features: pd.DataFrame) -> Floats:
        """Return the probabilities (n, 3) of detractor, passive and promoter of each row of the features table.

        Raises
        ------
        ValueError
            Where the scorer holds no NPS model.
        """
        return self._probabilities("nps", self.parameters.nps, features)

    def _probabilities(self, name: str, model: CategoryParameters, features: pd.DataFrame) -> Floats:
        """Probabilities (n, 3) under the model of that name, which begins the names of its trees."""
        prefix = f"{name}_"
        boosters = {
            booster.removeprefix(prefix): trees
            for booster, trees in self.boosters.items()
            if booster.startswith(prefix)
        }
        return category_probabilities(model, boosters, features)
