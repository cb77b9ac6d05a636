"""A second stage on top of the purchase and spend models, which learns from all other behaviour what they leave.

It is trained out of time, on what the customers of earlier dates did afterwards, and starts from the first stage: what
it counts beside that is a number, and where behaviour adds no information it is near 0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pandas as pd

from features.catalogue import catalogue_of
from features.tables import Tables
from features.vocabulary import Vocabulary, learn_vocabulary
from models.purchases.fit import PurchaseFit
from models.purchases.season.fit import fit_first_stage_at
from models.purchases.second_stage.cuts import PastCut, count_customers, described_now, first_day_of, past_cuts, sampled
from models.purchases.second_stage.levels import (
    LEAST_HISTORY,
    Bias,
    bias_of,
    biases_over,
    lasting_bias,
    level_of_churn,
    levels_of_horizon,
    was_open,
)
from models.purchases.second_stage.members import OBJECTIVES, fit_members, judged_out_of_time, rows_of
from models.purchases.second_stage.stacking import JudgedOutcomes, stacked_weights
from models.purchases.second_stage.words import Learned, figures_at_past_cuts, in_words
from models.recipe import Recipe
from models.scoring.forecast import Forecast
from models.scoring.members import CategoryParameters
from models.scoring.parameters import LogisticParameters, ScorerParameters, SecondStageParameters
from models.scoring.scorer import parse_trees
from models.scoring.second_stage.correction import is_behaviour_known, second_stage
from models.scoring.second_stage.evidence import p_none_beyond, reach
from models.stats.typing import Floats

# Customers learned from, all of a smaller shop. Measured at 20,000 simulated customers whose dropout 90 features
# explain, three cuts: log loss of 20,000 others .3443, .3415, .3386, .3313 and .3303 from 1,250, 2,500, 5,000, 10,000
# and 20,000 customers (first stage .4009), at a cost that grows in proportion.
SAMPLE = 16_000
# More of them still help, so of a large base a share is learned from that costs little beside its other steps: a
# thirty-second of a million takes 5 of 140 processor seconds more than a sixty-fourth.
# Measured at 193,000 simulated customers: log loss of the gate's customers .2906, .2879, .2863, .2854 and .2844 from
# 12,000, 24,000, 48,000, 97,000 and all, for 14, 19, 32, 56 and 107 processor seconds.
SHARE = 32
LARGEST_SAMPLE = 128_000


@dataclass(frozen=True)
class SecondStage:
    """A trained second stage; JSON and LightGBM texts are all it is made of.

    Attributes
    ----------
    features : tuple of str
        The behavioural features in the order the trees were trained with, after those of the first stage.
    boosters : dict of str to str
        LightGBM texts by name: "buys", "purchases" and "revenue", those that count.
    weights, levels : dict of str to float
        As `models.scoring.parameters.SecondStageParameters`.
    logistic : LogisticParameters or None
        The regression of who buys, where it counts.
    metrics : dict of str to float
        ``customers`` and ``buyers`` of the newest past cut, ``cuts`` learned from, ``judged_cuts`` stacked over;
        ``weight_`` of each member; ``bias_`` and ``lasting_`` of each total and horizon; of the judged cuts the mean
        ``log_loss_`` (levels apart) and ``auc_`` of either stage.
    why : str
        What it counts and why, in sentences.
    trained_at : datetime.date
        The newest date of the features; outcomes are those of the horizon after it.
    vocabulary : Vocabulary
        Names the features.
    needed : tuple of str
        Counts and attributes that every customer trained on had; a customer who lacks one keeps the first stage.
    """

    features: tuple[str, ...]
    boosters: dict[str, str]
    weights: dict[str, float]
    levels: dict[str, float]
    logistic: LogisticParameters | None
    metrics: dict[str, float]
    why: str
    trained_at: date
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    needed: tuple[str, ...] = ()

    @property
    def parameters(self) -> SecondStageParameters:
        """What a scorer keeps beside the boosters."""
        return SecondStageParameters(
            used=bool(self.boosters or self.logistic or self.levels),
            why=self.why,
            features=self.features,
            needed=self.needed,
            weights=self.weights,
            levels=self.levels,
            logistic=self.logistic,
            metrics=self.metrics,
            trained_at=self.trained_at.isoformat(),
        )

    def predict(self, described: pd.DataFrame, base: pd.DataFrame) -> pd.DataFrame:
        """Predict the horizon, by the function that the scorer serves.

        Parameters
        ----------
        described : pandas.DataFrame
            Features by name, as `features.describe.describe` gives them; missing ones are NaN to the trees.
        base : pandas.DataFrame
            The first stage, row for row, as `models.purchases.fit.PurchaseFit.predict` gives it.

        Returns
        -------
        pandas.DataFrame
            p_purchase, expected_purchases, expected_spend and expected_revenue, index of ``base``.
        """
        return second_stage(parse_trees(self.boosters), base, described, self.parameters)


def largest_sample(customers: int) -> int:
    """Return how many customers are learned from at most: of a large base a thirty-second, within fixed bounds."""
    return min(max(SAMPLE, -(-customers // SHARE)), LARGEST_SAMPLE)


def train_second_stage(
    tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary | None = None
) -> SecondStage:
    """Train the second stage on up to three horizons before a date.

    At each past cut the purchase models are fitted on what was available before it and the customers are described; the
    members learn what happened in the horizon after it. Their weights are those with which they predicted later cuts
    best, after learning from earlier ones; with one cut alone, other customers of it, and then half of that. Of a large
    base a sample of customers is learned from.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Only what was available before it is used.
    recipe : Recipe
        Horizons, first stage, static attributes and seed.
    vocabulary : Vocabulary, optional
        Names the features; learned from what was available before as_of unless given.

    Raises
    ------
    InputError
        Where it cannot be trained, saying what the data lack: a history of two horizons, buyers, or what the purchase
        model needs.
    """
    names_from = vocabulary or learn_vocabulary(tables, as_of, recipe.static_attributes)
    first = (recipe.purchase_model, recipe.season, recipe.country)
    horizons = (recipe.horizon, recipe.churn_horizon, recipe.clv_horizon, recipe.annual_rate)
    key = ("second stage", as_of, *horizons, recipe.seed, *first, json.dumps(names_from.to_dict()))
    return tables.workspace.once(key, lambda: _train(tables, as_of, recipe, names_from))


def _train(tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary) -> SecondStage:
    fit = fit_first_stage_at(tables, as_of, recipe)
    sample = sampled(tables, as_of, recipe.seed, largest_sample(count_customers(tables, as_of)))
    cuts = past_cuts(sample, as_of, recipe, vocabulary)
    catalogue = catalogue_of(vocabulary)
    names = tuple(catalogue)
    # These show whether behaviour, events and attributes are given: a count is 0, not null, where nothing happened.
    shown = [name for name, feature in catalogue.items() if feature.entry.shows_its_table]
    needed = tuple(name for name in shown if all(cut.described[name].notna().all() for cut in cuts))
    everyone = rows_of(cuts, names, recipe.seed)
    judged = judged_out_of_time(cuts, everyone, names, recipe.seed)
    weights = _weights(judged, alone=len(cuts) == 1)
    parts = [part for part in OBJECTIVES if weights[part] > 0]
    members = fit_members(cuts, everyone, recipe.seed, parts)
    boosters, logistic = members.boosters, members.logistic if weights["logistic"] > 0 else None
    biases = _biases(sample, as_of, recipe, cuts, fit)
    bare = SecondStageParameters(True, "", names, needed, weights, {}, logistic)
    described, first = described_now(sample, as_of, vocabulary, fit, recipe.horizon)
    known = is_behaviour_known(described, names, needed)
    levels = _levels(bare, boosters, recipe, fit, described[known], first[known], biases)
    metrics = {
        "customers": float(len(cuts[0].described)),
        "buyers": float(cuts[0].bought.sum()),
        "cuts": float(len(cuts)),
        "judged_cuts": float(max(len(cuts) - 1, 1)),
        **{f"weight_{name}": weight for name, weight in weights.items()},
        **figures_at_past_cuts(judged["buys"], weights),
    }
    for days, of_days in biases.items():
        for total, lasting in zip(("buyers", "purchases", "revenue"), lasting_bias(of_days), strict=True):
            metrics[f"lasting_bias_{days}_days_{total}"] = float(lasting)
    why = in_words(Learned(recipe, [cut.cutoff for cut in cuts], weights, metrics, biases))
    return SecondStage(names, boosters, weights, levels, logistic, metrics, why, cuts[0].cutoff, vocabulary, needed)


def _weights(judged: Mapping[str, list[JudgedOutcomes]], alone: bool) -> dict[str, float]:
    """Stack the members of each part; across customers of one cut says nothing of the next, so it counts half."""
    weights: dict[str, float] = {}
    for part, objective in OBJECTIVES.items():
        found = stacked_weights(objective, [each for each in judged[part] if each.y.any()])
        found = np.round(found / 2.0, 2) if alone else found
        names = ("buys", "logistic") if part == "buys" else (part,)
        weights |= dict.fromkeys(names, 0.0) | dict(zip(names, found.tolist(), strict=False))
    return weights


def _biases(
    tables: Tables, as_of: date, recipe: Recipe, cuts: list[PastCut], fit: PurchaseFit
) -> dict[int, list[Bias]]:
    """Return the first stage's biases at past cuts, by horizon; none where no cut is that many days ago."""
    first_day = first_day_of(tables, as_of)
    assert first_day is not None
    alike = [
        cut
        for cut in cuts
        if cut.by_clock == (fit.clock is not None)
        and was_open(fit.clock, cut.cutoff, recipe.horizon)
        and (cut.cutoff - first_day).days >= LEAST_HISTORY * recipe.horizon
    ]
    biases = {recipe.horizon: [bias_of(cut.first, cut.described) for cut in alike]}
    for days in (recipe.churn_horizon, recipe.clv_horizon):
        if days not in biases:
            biases[days] = biases_over(tables, as_of, recipe, days, first_day, fit.clock)
    return biases


def _levels(
    stage: SecondStageParameters,
    boosters: dict[str, str],
    recipe: Recipe,
    fit: PurchaseFit,
    described: pd.DataFrame,
    first: pd.DataFrame,
    biases: Mapping[int, list[Bias]],
) -> dict[str, float]:
    """Return the constants that give everyone's totals, as of today, the level of their horizon."""
    lasting: dict[int, Floats] = {days: lasting_bias(of_days) for days, of_days in biases.items()}
    if not (boosters or stage.logistic or any(each.any() for each in lasting.values())) or described.empty:
        return {}
    trees = parse_trees(boosters)
    parts = {*boosters, *(["buys"] if stage.logistic else [])}
    levels = levels_of_horizon(first, second_stage(trees, first, described, stage), lasting[recipe.horizon], parts)
    parameters = _scorer_parameters(recipe, fit, replace(stage, levels=levels))
    of_first = replace(parameters, second_stage=SecondStageParameters(used=False))
    second = Forecast(parameters, trees)
    before = Forecast(of_first, {}).beyond_horizon(described, fit.future)
    after = second.beyond_horizon(described, fit.future)
    corrected = second.of_horizon(described, fit.future)
    p_none = second.p_none(described, fit.future, recipe.churn_horizon)
    p_none = p_none_beyond(p_none, first, corrected, reach(recipe.horizon, recipe.churn_horizon))
    total = float((1.0 - before["p_churn"]).sum()) * np.exp(lasting[recipe.churn_horizon][0])
    longer = recipe.churn_horizon >= recipe.horizon
    levels["churn"] = level_of_churn(p_none, corrected["p_purchase"].to_numpy(float), total, longer)
    value = before["clv"].sum() * np.exp(lasting[recipe.clv_horizon][2])
    levels["clv"] = float(np.log(value / after["clv"].sum())) if after["clv"].sum() > 0 else 0.0
    return levels


def _scorer_parameters(recipe: Recipe, fit: PurchaseFit, stage: SecondStageParameters) -> ScorerParameters:
    return ScorerParameters(
        horizon=recipe.horizon,
        churn_horizon=recipe.churn_horizon,
        clv_horizon=recipe.clv_horizon,
        annual_rate=recipe.annual_rate,
        margin=1.0,
        seed=recipe.seed,
        purchases=fit.purchases,
        spend=fit.spend,
        nps=CategoryParameters(None, ""),
        second_stage=stage,
        returns=fit.returns,
        clock=fit.clock,
    )
