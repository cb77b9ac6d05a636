"""A release: all parts of one version of the scorer, fitted together on what was available at one date."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import pandas as pd

from data.errors import InputError
from features.labels import CATEGORY_CUTS, SATISFACTION_CUTS
from features.purchases import purchase_summary
from features.tables import Tables
from features.vocabulary import Vocabulary, learn_vocabulary
from models.nps.model import NpsTraining
from models.nps.point_in_time import train_on_answers
from models.purchases.fit import TrainingFit
from models.purchases.season.fit import fit_first_stage_at, season_note
from models.purchases.second_stage.training import train_second_stage
from models.recipe import Recipe
from models.release.parameters import CATEGORY_MODELS, ReleaseParameters
from models.scoring.members import CategoryParameters
from models.scoring.parameters import SecondStageParameters
from models.scoring.scorer import Scorer
from models.segments.personas.model import Personas
from models.segments.rfm import Rfm, rfm_cuts
from models.segments.segment_names import Segments
from models.stats.population_stability import Profile

# Changes with what a purchase and its value are: versions of another policy are not compared.
RETURNS_POLICY = "a return lowers its order or the latest sales before it, and what came back in full is no purchase"


@dataclass(frozen=True)
class Release:
    """One fitted scorer, with what people want to know about its fit.

    Attributes
    ----------
    parameters : ReleaseParameters
        Everything that belongs to it except the trees.
    boosters : dict of str to str
        Trees as LightGBM text by name, as `models.scoring.scorer.Scorer` takes them; empty if no model has trees.
    fits : pandas.DataFrame
        Fitted parameters, as `models.purchases.fit.PurchaseFit.fits`.
    notes : tuple of str
        Sentences for the report: what could not be fitted and why, and assumptions that fail.
    training : NpsTraining or None
        The NPS model as trained, with out-of-fold probabilities; None if it was carried over or read from the store.
    answers : pandas.DataFrame or None
        The answers it was trained on, in the rows of its out-of-fold probabilities.
    """

    parameters: ReleaseParameters
    boosters: dict[str, str]
    fits: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    training: NpsTraining | None = None
    answers: pd.DataFrame | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """Kinds of events, channels and levels, which name the features."""
        return self.parameters.vocabulary

    @property
    def rfm_segments(self) -> Segments:
        """Names of RFM segments."""
        return self.parameters.rfm_segments

    @property
    def rfm(self) -> Rfm:
        """The segmentation by recency, frequency and monetary value of this release."""
        return Rfm(self.parameters.rfm, self.parameters.rfm_segments)

    def rfm_scores(self, base: pd.DataFrame) -> pd.DataFrame:
        """Score a base by the cut points and names of this release: ``rfm`` and ``segment``, in the rows of the base.

        Parameters
        ----------
        base : pandas.DataFrame
            With T, recency, frequency and total_value of `features.purchases.summarise_purchases`.
        """
        return self.rfm.scores(base)

    @property
    def training_fit(self) -> TrainingFit | None:
        """How well the purchase model fitted its training data; None in releases that did not store it."""
        parameters = self.parameters
        if parameters.log_likelihood_per_customer is None:
            return None
        covariance = None if parameters.uncertainty is None else parameters.uncertainty.purchases
        log_likelihood = parameters.log_likelihood_per_customer
        return TrainingFit(parameters.as_of, parameters.customers, log_likelihood, covariance)

    @property
    def as_of(self) -> date:
        """The date it was fitted at: all its data were available before it."""
        return self.parameters.as_of

    def with_base(self, profiles: Mapping[str, Profile], personas: Personas) -> "Release":
        """Return this release with profiles and personas of the base it was fitted on."""
        return replace(self, parameters=stored_and_read(replace(self.parameters, profiles=profiles, personas=personas)))

    def with_nps(self, nps: CategoryParameters) -> "Release":
        """Return this release with another level and other cut points of its NPS model."""
        return replace(self, parameters=stored_and_read(replace(self.parameters, nps=nps)))

    def as_seen_at(self, as_of: date) -> "Release":
        """Return this release, with the same models, at another as_of."""
        return replace(self, parameters=replace(self.parameters, as_of=as_of))

    @cached_property
    def scorer(self) -> Scorer:
        """The scorer of this release, as it is served; the trees are parsed only once."""
        return Scorer(self.parameters, self.boosters)


def fit_release(
    tables: Tables, as_of: date, recipe: Recipe, carried: Release | None = None, *, is_twin: bool = False
) -> Release:
    """Fit all parts of a version of the scorer.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables; only what was available before ``as_of`` is used.
    as_of : datetime.date
        Exclusive.
    recipe : Recipe
        The settings of the fit.
    carried : Release, optional
        A release whose NPS model is taken over unchanged, with the vocabulary of its features, instead of training one.
    is_twin : bool
        Whether this is a holdout refit (twin): it is judged on what came after, so no last wave of answers is held out.

    Raises
    ------
    InputError
        If no purchase is visible before ``as_of``.
    """
    summary = purchase_summary(tables, as_of)
    if not summary.count().to_pyarrow().as_py():
        raise InputError(f"no purchase is visible before {as_of}: name a later date with --as-of")
    fit = fit_first_stage_at(tables, as_of, recipe)
    cut_points = rfm_cuts(summary)
    if carried is None:
        categories = _train_category_models(tables, as_of, recipe, is_twin=is_twin)
    else:
        categories = _carry_category_models(carried)
    season = [] if fit.clock is None else [season_note(fit, recipe.horizon)]
    notes = [*fit.notes, *season, *categories.notes]
    stage, stage_boosters = _train_second_stage(tables, as_of, recipe, categories.vocabulary)
    if recipe.second_stage and not stage.used:
        notes.append(stage.why)
    parameters = ReleaseParameters(
        as_of=as_of,
        horizon=recipe.horizon,
        churn_horizon=recipe.churn_horizon,
        clv_horizon=recipe.clv_horizon,
        annual_rate=recipe.annual_rate,
        margin=recipe.margin,
        currency=recipe.currency,
        nps_question=recipe.nps_question,
        satisfaction_question=recipe.satisfaction_question,
        label_gap_days=recipe.label_gap_days,
        static_attributes=recipe.static_attributes,
        seed=recipe.seed,
        purchase_model=recipe.purchase_model,
        rfm_segments=recipe.rfm_segments,
        returns_policy=RETURNS_POLICY,
        customers=fit.customers,
        purchases=fit.purchases,
        spend=fit.spend,
        uncertainty=fit.uncertainty,
        returns=fit.returns,
        clock=fit.clock,
        log_likelihood_per_customer=fit.log_likelihood_per_customer,
        second_stage=stage,
        nps=categories.nps,
        satisfaction=categories.satisfaction,
        nps_as_of=categories.as_of,
        vocabulary=categories.vocabulary,
        rfm=cut_points,
    )
    boosters = stage_boosters | categories.boosters
    return Release(
        stored_and_read(parameters), boosters, fit.fits, tuple(notes), categories.training, categories.answers
    )


def stored_and_read(parameters: ReleaseParameters) -> ReleaseParameters:
    """Pass parameters through JSON and back, so that a release is the same before it is stored and after."""
    return ReleaseParameters.from_dict(json.loads(json.dumps(parameters.to_dict())))


@dataclass(frozen=True)
class _CategoryModels:
    """The category models of a release, trained or carried over, with the vocabulary of their features."""

    as_of: date
    vocabulary: Vocabulary
    nps: CategoryParameters
    satisfaction: CategoryParameters | None
    boosters: dict[str, str]
    training: NpsTraining | None = None
    answers: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def _train_category_models(tables: Tables, as_of: date, recipe: Recipe, *, is_twin: bool) -> _CategoryModels:
    vocabulary = learn_vocabulary(tables, as_of, recipe.static_attributes)
    nps = train_on_answers(
        tables, as_of, recipe.nps_question, CATEGORY_CUTS, recipe, vocabulary, judge_last_wave=not is_twin
    )
    satisfaction = train_on_answers(tables, as_of, recipe.satisfaction_question, SATISFACTION_CUTS, recipe, vocabulary)
    of_nps, of_satisfaction = nps.training.model, satisfaction.training.model
    boosters = named("nps", of_nps.boosters) | named("satisfaction", of_satisfaction.boosters)
    parameters = of_nps.parameters, of_satisfaction.parameters
    return _CategoryModels(as_of, vocabulary, *parameters, boosters, nps.training, nps.answers)


def _carry_category_models(carried: Release) -> _CategoryModels:
    of, boosters = carried.parameters, carried.boosters
    trees = {name: text for name, text in boosters.items() if name.startswith(CATEGORY_MODELS)}
    note = f"The NPS model is carried over unchanged from the one trained as of {of.nps_as_of}."
    return _CategoryModels(of.nps_as_of, of.vocabulary, of.nps, of.satisfaction, trees, notes=(note,))


def named(model: str, boosters: Mapping[str, str]) -> dict[str, str]:
    """Return a category model's trees under their names in a release, such as "nps_ridit"."""
    return {f"{model}_{name}": trees for name, trees in boosters.items()}


def _train_second_stage(
    tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary
) -> tuple[SecondStageParameters, dict[str, str]]:
    """Train the second stage if the recipe has one and the history is long enough; its weights may be 0."""
    if not recipe.second_stage:
        return SecondStageParameters(used=False, why="There is no second stage: it is switched off."), {}
    try:
        stage = train_second_stage(tables, as_of, recipe, vocabulary)
    except InputError as error:
        return SecondStageParameters(used=False, why=f"There is no second stage: {error}."), {}
    return stage.parameters, stage.boosters
