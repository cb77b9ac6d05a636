"""What happened after a cut: the frame on which twins are judged and the backtest is made."""

from datetime import date, timedelta

import pandas as pd

from features.describe import materialise
from features.outcomes import outcomes
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import Tables
from features.vocabulary import Vocabulary
from models.gate import Holdout
from models.release import Recipe, answers_with_features


def cut_of(as_of: date, horizon: int) -> date:
    """Return the cut of a twin: the day whose horizon ends at ``as_of``."""
    return as_of - timedelta(days=horizon)


def build_holdout(tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary) -> Holdout:
    """Describe customers as of the cut beside what they did from the cut to ``as_of``.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        The challenger's; outcomes before it are known.
    recipe : Recipe
        The challenger's: horizon, question and gap.
    vocabulary : Vocabulary
        Names the features beside the answers.
    """
    cut = cut_of(as_of, recipe.horizon)
    spine = everyone(tables.transactions, cut)
    described = summarise_purchases(tables.transactions, spine)
    realised = outcomes(tables.transactions, spine, recipe.horizon, known_before=as_of).drop("as_of")
    customers = materialise(described.inner_join(realised, "customer_id"))
    if tables.answers is None:
        return Holdout(customers)
    return Holdout(customers, answers_since_cut(tables, as_of, recipe, vocabulary))


def answers_since_cut(tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary) -> pd.DataFrame:
    """Return the answers given from the cut to ``as_of``, with the features a vocabulary names."""
    since = cut_of(as_of, recipe.horizon)
    return answers_with_features(
        tables, recipe.nps_question, vocabulary, before=as_of, since=since, gap_days=recipe.label_gap_days
    )
