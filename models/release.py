"""A release: everything one version of the scorer is made of, fitted together on what was available at one date."""

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from data.errors import InputError
from features.describe import describe, feature_names, materialise
from features.labels import labelled_answers
from features.purchases import summarise_purchases
from features.spine import everyone, pairs
from features.tables import Tables
from features.vocabulary import Vocabulary, learn_vocabulary
from models.customer_scorer import Scorer
from models.nps_category import NpsModel, NpsTraining, train_nps_category
from models.purchases import BetaGeoModel
from models.recipe import Recipe
from models.rfm import rfm_cuts
from models.spend import GammaGammaModel

# Of 40 shops of 100 customers whose data left BG/NBD open this fitted all, at some bias.
SMALL_SHOP_PENALTY = 0.001
SMALLEST_SPEND = 0.01
NO_SPREAD = 1e6
RETURNS_POLICY = "a purchase is a day with a sale, its value the day's net"


@dataclass(frozen=True)
class Release:
    """One fitted scorer with what people want to know of its fit.

    Attributes
    ----------
    parameters : dict
        JSON-able; all the scorer needs but the trees.
    boosters : dict of str to str
        Trees as LightGBM text by name, as `models.customer_scorer.Scorer` takes them; none where nothing needs them.
    fits : pandas.DataFrame
        Fitted parameters: model, parameter, coefficient, standard error.
    notes : tuple of str
        What a reader must know: what could not be fitted and why, assumptions that fail.
    training : NpsTraining or None
        The NPS model as trained, with out-of-fold probabilities; None where it was carried over or read back.
    answers : pandas.DataFrame or None
        The answers it was trained on, row for row with its out-of-fold probabilities.
    """

    parameters: dict[str, Any]
    boosters: dict[str, str]
    fits: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    training: NpsTraining | None = None
    answers: pd.DataFrame | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """The kinds, channels and levels that name its features."""
        return Vocabulary.from_dict(self.parameters["vocabulary"])

    @property
    def as_of(self) -> date:
        """The date before which everything it was fitted on was available."""
        return date.fromisoformat(self.parameters["as_of"])

    def scorer(self) -> Scorer:
        """Return the scorer of this release, as it is served."""
        return Scorer(self.parameters, self.boosters)


def fit_release(tables: Tables, as_of: date, recipe: Recipe, carried: Release | None = None) -> Release:
    """Fit everything a version of the scorer is made of.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables; only what was available before ``as_of`` is used.
    as_of : datetime.date
        Exclusive.
    recipe : Recipe
        How to fit.
    carried : Release, optional
        A release whose NPS model is taken over unchanged, with the vocabulary of its features, instead of training one.

    Raises
    ------
    InputError
        Where no purchase model can be fitted: the message says what the data lacks.
    """
    base = materialise(summarise_purchases(tables.transactions, everyone(tables.transactions, as_of)))
    if base.empty:
        raise InputError(f"no purchase is visible before {as_of}: name a later date with --as-of")
    purchases, purchase_notes = _fit_purchases(base)
    spend, spend_fits, spend_notes = _fit_spend(base)
    notes = [*purchase_notes, *spend_notes]
    if carried is None:
        vocabulary = learn_vocabulary(tables, as_of, recipe.static_attributes)
        training, answers = _train_nps(tables, as_of, recipe, vocabulary)
        nps, trees, nps_as_of = training.model.to_dict(), training.model.booster, as_of.isoformat()
    else:
        vocabulary, training, answers = carried.vocabulary, None, None
        nps, nps_as_of = carried.parameters["nps"], carried.parameters["nps_as_of"]
        trees = carried.boosters.get("nps_category")
        notes.append(f"The NPS model is carried over unchanged from the one trained as of {nps_as_of}.")
    parameters = {
        "format": 1,
        "as_of": as_of.isoformat(),
        **asdict(recipe),
        "second_stage": {"used": False, "features": []},
        "returns_policy": RETURNS_POLICY,
        "customers": len(base),
        "purchases": {**{name: float(value) for name, value in purchases.params_.items()}, "m": 0},
        "spend": spend,
        "nps": {key: value for key, value in nps.items() if key != "booster"},
        "nps_as_of": nps_as_of,
        "vocabulary": vocabulary.to_dict(),
        "rfm": rfm_cuts(days_since_purchase(base), base["frequency"] + 1, base["total_value"]),
    }
    fits = pd.concat([_fit_rows("BG/NBD", purchases.summary), spend_fits], ignore_index=True)
    boosters = {} if trees is None else {"nps_category": trees}
    # Through JSON and back, so that a release is the same before it is stored and after.
    return Release(json.loads(json.dumps(parameters)), boosters, fits, tuple(notes), training, answers)


def answers_with_features(
    tables: Tables, question: str, vocabulary: Vocabulary, *, before: date, since: date | None = None, gap_days: int = 0
) -> pd.DataFrame:
    """Put the features of the time of asking beside each answer.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables, with answers.
    question : str
        The question asked.
    vocabulary : Vocabulary
        Names the features.
    before, since : datetime.date
        Only what was answered before the one and, where given, not before the other.
    gap_days : int
        Days between what is seen and the invitation.

    Returns
    -------
    pandas.DataFrame
        One row per answer of a customer with a visible purchase at that time: customer_id, as_of, answered_at,
        category (0 detractor, 1 passive, 2 promoter) and all that `features.describe.describe` gives.
    """
    labels = labelled_answers(tables.answers, question, before=before, since=since, gap_days=gap_days)
    described = describe(tables, pairs(labels), vocabulary)
    return materialise(labels.inner_join(described, ["customer_id", "as_of"]))


def days_since_purchase(base: pd.DataFrame) -> pd.Series:
    """Return the days from the last purchase to the last day seen, from a summary of purchases."""
    return base["T"] - base["recency"]


def _train_nps(
    tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary
) -> tuple[NpsTraining, pd.DataFrame | None]:
    if tables.answers is None:
        why = "No answers were given, so nothing is said about the NPS category."
        return NpsTraining(NpsModel(source=None, why=why, answers=0), None), None
    frame = answers_with_features(tables, recipe.nps_question, vocabulary, before=as_of, gap_days=recipe.label_gap_days)
    names = feature_names(vocabulary)
    return train_nps_category(frame[names], frame["category"], frame["customer_id"], recipe.seed), frame


def _fit_purchases(base: pd.DataFrame) -> tuple[BetaGeoModel, list[str]]:
    """Fit BG/NBD; in a small shop whose data leave it open, hold its parameters together a little and say so."""
    history = (base["frequency"], base["recency"], base["T"])
    try:
        return BetaGeoModel().fit(*history), []
    except InputError as error:
        try:
            model = BetaGeoModel(penalizer_coef=SMALL_SHOP_PENALTY).fit(*history)
        except InputError:
            raise error from None
    note = (
        f"The {len(base):,} customers do not settle the parameters of BG/NBD: they are held together by a penalty of "
        f"{SMALL_SHOP_PENALTY}, and purchases may be off. They settle as customers come back."
    )
    return model, [note]


def _fit_spend(base: pd.DataFrame) -> tuple[dict[str, Any], pd.DataFrame, list[str]]:
    """Fit Gamma-Gamma, or say why not and take the mean value of a purchase for everybody."""
    try:
        model = GammaGammaModel().fit(base["spend_frequency"], base["spend_value"])
    except InputError as error:
        mean = max(float(base["total_value"].sum() / (base["frequency"] + 1).sum()), SMALLEST_SPEND)
        note = f"Gamma-Gamma was not fitted; everybody's expected spend is the mean purchase, {mean:,.2f}: {error}"
        # The limit of Gamma-Gamma in which every purchase has the same value: p v / (q - 1) is the mean.
        constant = {"p": NO_SPREAD, "q": NO_SPREAD + 1.0, "v": mean, "individual": False}
        return constant, pd.DataFrame(), [note]
    fitted: dict[str, Any] = {str(name): float(value) for name, value in model.params_.items()}
    notes = [*model.notes, *([model.independence.warning] if model.independence.warning else [])]
    return {**fitted, "individual": True}, _fit_rows("Gamma-Gamma", model.summary), notes


def _fit_rows(model: str, summary: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": model,
            "parameter": summary.index,
            "estimate": summary["coef"].to_numpy(float),
            "standard_error": summary["se(coef)"].to_numpy(float),
        }
    )
