"""What happened after a cut: the frame on which twins are judged and the backtest is made."""

from datetime import date, timedelta

from features.describe import materialise
from features.outcomes import describe_with_outcomes, outcomes
from features.purchases import purchase_summary
from features.spine import everyone
from features.tables import Tables
from features.vocabulary import Vocabulary
from models.nps.point_in_time import answers_with_features
from models.recipe import Recipe
from models.release.promotion_gate import Holdout


def cutoff_of(as_of: date, horizon: int) -> date:
    """Return the cut of a twin: the day whose horizon ends at ``as_of``."""
    return as_of - timedelta(days=horizon)


def build_holdout(
    tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary, *, behaviour: bool = False
) -> Holdout:
    """Describe customers as of the cut beside what they did from the cut to ``as_of``, and the answers given then.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        The challenger's; outcomes before it are known.
    recipe : Recipe
        The challenger's: horizon, question and gap.
    vocabulary : Vocabulary
        Names the features.
    behaviour : bool
        Describe customers with all features, as a scorer with a second stage needs them, not by purchases alone.
    """
    cut = cutoff_of(as_of, recipe.horizon)
    if behaviour:
        customers = describe_with_outcomes(tables, cut, recipe.horizon, vocabulary, known_before=as_of)
    else:
        spine = everyone(tables.transactions, cut)
        realised = outcomes(tables.transactions, spine, recipe.horizon, known_before=as_of).drop("as_of")
        customers = materialise(purchase_summary(tables, cut).inner_join(realised, "customer_id"))
    if tables.answers is None:
        return Holdout(customers)
    answers = answers_with_features(
        tables, recipe.nps_question, vocabulary, before=as_of, since=cut, gap_days=recipe.label_gap_days
    )
    return Holdout(customers, answers)
