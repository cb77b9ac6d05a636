"""The holdout: what happened after a cutoff. Twins are judged on it, and the backtest of a retraining uses it."""

from datetime import date, timedelta

from features.outcomes import BEFORE, describe_with_outcomes, summary_with_outcomes
from features.tables import Tables
from features.vocabulary import Vocabulary
from models.nps.point_in_time import answers_with_features
from models.purchases.returns_to_come import kept_by_age
from models.recipe import Recipe
from models.release.promotion_gate import Holdout


def cutoff_of(as_of: date, horizon: int) -> date:
    """Return the cutoff of the holdout refit (twin): one horizon (days) before ``as_of``."""
    return as_of - timedelta(days=horizon)


def build_holdout(
    tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary, *, behaviour: bool = False
) -> Holdout:
    """Describe customers as of the cutoff, with their outcomes and their answers from the cutoff to ``as_of``.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        The challenger's; outcomes before this date are used.
    recipe : Recipe
        The challenger's; its horizon, question and label gap are used.
    vocabulary : Vocabulary
        It names the features.
    behaviour : bool
        Whether to describe customers with all features, which a second stage needs, or by purchases alone.
    """
    cutoff, kept = cutoff_of(as_of, recipe.horizon), kept_by_age(tables, as_of)
    if behaviour:
        customers = describe_with_outcomes(tables, cutoff, recipe.horizon, vocabulary, as_of, kept)
    else:
        # The baseline of the last period is for the rolling backtest.
        customers = summary_with_outcomes(tables, cutoff, recipe.horizon, as_of, kept).drop(columns=BEFORE)
    if tables.answers is None:
        return Holdout(customers)
    answers = answers_with_features(
        tables, recipe.nps_question, vocabulary, before=as_of, since=cutoff, gap_days=recipe.label_gap_days
    )
    return Holdout(customers, answers)
