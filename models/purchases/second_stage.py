"""A second stage on top of the purchase and spend models: small trees that learn from all other behaviour.

It is trained out of time, on what the customers of an earlier date did afterwards, and starts from the first stage:
where behaviour adds no information, it has no trees and equals the first stage.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from data.errors import InputError
from features.catalogue import catalogue_of
from features.describe import materialise
from features.outcomes import describe_with_outcomes, realised_outcomes
from features.purchases import purchase_summary
from features.spine import everyone, midnight
from features.tables import Tables
from features.vocabulary import Vocabulary, learn_vocabulary
from models.purchases.recalibration import lasting_share, log_bias, recalibration_offsets
from models.purchases.returns_to_come import kept_by_age
from models.purchases.season.fit import fit_first_stage_at
from models.purchases.second_stage_trees import Target, TargetTrees, grow_target
from models.recipe import PurchaseModel, Recipe
from models.scoring.parameters import SecondStageParameters
from models.scoring.scorer import parse_trees
from models.scoring.second_stage import Offsets, second_stage, second_stage_matrix
from models.stats.typing import Floats

# Trees learn hardly more from more customers, and a million would take minutes.
LARGEST_SAMPLE = 60_000
FEWEST_BUYERS = 100


@dataclass(frozen=True)
class SecondStage:
    """A trained second stage; JSON and LightGBM texts are all it is made of.

    Attributes
    ----------
    features : tuple of str
        The behavioural features in the order the trees were trained with, after those of the first stage.
    boosters : dict of str to str
        LightGBM texts by name: "buys", "purchases" and "revenue", those that have trees.
    metrics : dict of str to float
        ``customers`` and ``buyers`` trained on; of each booster its ``trees``, and the out-of-fold loss of the first
        and of the second stage.
    recalibration : dict of str to float
        Recalibration offset of each booster, see `models.purchases.recalibration`; stored as "levels".
    trained_at : datetime.date
        The date of the features; outcomes are those of the horizon after it.
    vocabulary : Vocabulary
        Names the features.
    needed : tuple of str
        Counts and attributes that every customer trained on had; a customer who lacks one keeps the first stage.
    """

    features: tuple[str, ...]
    boosters: dict[str, str]
    metrics: dict[str, float]
    recalibration: dict[str, float]
    trained_at: date
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    needed: tuple[str, ...] = ()

    def parameters(self, why: str) -> SecondStageParameters:
        """Give what a scorer keeps beside the boosters, and why it has a second stage."""
        return SecondStageParameters(
            used=True,
            why=why,
            features=self.features,
            needed=self.needed,
            levels=self.recalibration,
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
        return second_stage(parse_trees(self.boosters), base, described, self.features, self.recalibration, self.needed)


def train_second_stage(
    tables: Tables,
    cutoff: date,
    recipe: Recipe,
    purchase_model: PurchaseModel,
    vocabulary: Vocabulary | None = None,
) -> SecondStage:
    """Train the second stage on the horizon before a cutoff.

    With t0 = cutoff - horizon, the purchase models are fitted on what was available before t0 and everyone is described
    as of t0; the trees learn what happened in [t0, cutoff). From a base above 60,000 customers a random sample is drawn
    by a hash of their ids.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    cutoff : datetime.date
        Only what was available before it is used.
    recipe : Recipe
        Horizon, static attributes and seed.
    purchase_model : "bg_nbd" or "mbg_nbd"
        The first stage.
    vocabulary : Vocabulary, optional
        Names the features; learned from what was available before the cutoff unless given.

    Returns
    -------
    SecondStage
        It has no trees where behaviour adds nothing: it then is the first stage.

    Raises
    ------
    InputError
        Where it cannot be trained, saying what the data lack: a history of two horizons before the cutoff, buyers, or
        what the purchase model needs.
    """
    _check_history(tables, cutoff, recipe.horizon)
    names_from = vocabulary or learn_vocabulary(tables, cutoff, recipe.static_attributes)
    recipe = replace(recipe, purchase_model=purchase_model)
    first = (recipe.purchase_model, recipe.season, recipe.country)
    key = ("second stage", cutoff, recipe.horizon, recipe.seed, *first, json.dumps(names_from.to_dict()))
    return tables.workspace.once(key, lambda: _train(tables, cutoff, recipe, names_from))


def _train(tables: Tables, cutoff: date, recipe: Recipe, vocabulary: Vocabulary) -> SecondStage:
    trained_at = cutoff - timedelta(days=recipe.horizon)
    fit = fit_first_stage_at(tables, trained_at, recipe)
    sampled = tables if fit.customers <= LARGEST_SAMPLE else _sample(tables, trained_at, recipe.seed)
    kept = kept_by_age(tables, cutoff)
    frame = describe_with_outcomes(sampled, trained_at, recipe.horizon, vocabulary, known_before=cutoff, kept=kept)
    catalogue = catalogue_of(vocabulary)
    names = list(catalogue)
    first = fit.predict(frame, recipe.horizon)
    trees = _grow(frame, first, names, recipe.seed)
    metrics = {"customers": float(len(frame)), "buyers": float((frame["purchases"] > 0).sum())}
    for name, grown in trees.items():
        metrics |= {f"{name}_{figure}": value for figure, value in grown.metrics.items()}
    # These show whether behaviour, events and attributes are given: a count is 0, not null, where nothing happened.
    shown = (name for name, feature in catalogue.items() if feature.entry.shows_its_table)
    needed = tuple(name for name in shown if frame[name].notna().all())
    boosters = {name: grown.text for name, grown in trees.items() if grown.text is not None}
    stage = SecondStage(tuple(names), boosters, metrics, {}, trained_at, vocabulary, needed)
    share = lasting_share(log_bias(first, frame), _earlier_bias(sampled, trained_at, recipe))
    offsets = recalibration_offsets(first, stage.predict(frame, first), frame, boosters, share)
    return replace(stage, recalibration=offsets)


def _earlier_bias(tables: Tables, before: date, recipe: Recipe) -> Floats | None:
    """Return the bias of the first stage over the horizon before a date; None where there is too little history."""
    cutoff = before - timedelta(days=recipe.horizon)
    try:
        _check_history(tables, before, recipe.horizon)
        fit = fit_first_stage_at(tables, cutoff, recipe)
        kept = kept_by_age(tables, before)
        realised = realised_outcomes(tables, cutoff, recipe.horizon, before, kept).drop("as_of")
        frame = materialise(purchase_summary(tables, cutoff).inner_join(realised, "customer_id"))
    except InputError:
        return None
    return log_bias(fit.predict(frame, recipe.horizon), frame)


def _grow(frame: pd.DataFrame, first: pd.DataFrame, names: list[str], seed: int) -> dict[str, TargetTrees]:
    """Grow the trees of the three parts: who buys, how often those who buy, and at which value."""
    purchases, revenue = frame["purchases"].to_numpy(float), frame["revenue"].to_numpy(float)
    buys = purchases > 0
    if min(buys.sum(), (~buys).sum()) < FEWEST_BUYERS:
        raise InputError(
            f"the second stage needs {FEWEST_BUYERS} customers who bought in the horizon and as many who did not, but "
            f"{buys.sum():,} of {len(frame):,} bought: take a longer horizon, or wait for more purchases"
        )
    X, offsets = second_stage_matrix(first, frame, names), Offsets.of(first)
    # A purchase whose returns exceed its value counts as one without value.
    value = np.maximum(revenue[buys], 0.0) / purchases[buys]
    mean_value = max(float(np.average(value, weights=purchases[buys])), np.finfo(float).tiny)
    targets = {
        "buys": Target("binary", buys.astype(float), offsets.buys),
        "purchases": Target("poisson", purchases[buys] - 1.0, offsets.purchases[buys]),
        # In units of the mean, so that the shrinkage of the leaves does not depend on the currency.
        "revenue": Target(
            "tweedie", value / mean_value, offsets.revenue[buys] - np.log(mean_value), weight=purchases[buys]
        ),
    }
    return {
        name: grow_target(X if name == "buys" else X[buys], target, seed)
        for name, target in targets.items()
        if target.y.any()
    }


def _check_history(tables: Tables, cutoff: date, horizon: int) -> None:
    """Refuse a cutoff that has less than two horizons of history: one to describe customers, one to learn from."""
    available = tables.transactions.filter(tables.transactions.available_at < midnight(cutoff))
    first = available.ts.min().to_pyarrow().as_py()
    days = 0 if first is None else (cutoff - first.date()).days
    if days < 2 * horizon:
        raise InputError(
            f"the second stage is trained on a horizon of {horizon} days after another one, but there are only {days} "
            f"days of purchases before {cutoff}: take a shorter horizon, or give a longer history"
        )


def _sample(tables: Tables, as_of: date, seed: int) -> Tables:
    """Keep the rows of a random sample of customers: those whose hashed ids come first."""
    ids = everyone(tables.transactions, as_of).table.select("customer_id")
    mark = ibis.literal(f"{seed}:").concat(ids.customer_id).hexdigest("md5")
    chosen = ids.mutate(mark=mark).order_by(["mark", "customer_id"]).limit(LARGEST_SAMPLE)
    sampled = ibis.memtable(chosen.select("customer_id").to_pyarrow())

    def of_sampled(rows: ibis.Table | None) -> ibis.Table | None:
        return None if rows is None else rows.semi_join(sampled, "customer_id")

    transactions = tables.transactions.semi_join(sampled, "customer_id")
    return Tables(transactions, None, of_sampled(tables.events), of_sampled(tables.customers))
