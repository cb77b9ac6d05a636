"""The past cuts that the second stage learns from: customers as they were then, and what they did in the horizon."""

from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import InputError
from features.describe import describe_everyone
from features.outcomes import describe_with_outcomes
from features.purchases import purchase_summary
from features.spine import is_drawn, midnight
from features.tables import Tables
from features.vocabulary import Vocabulary
from models.purchases.fit import PurchaseFit
from models.purchases.returns_to_come import kept_by_age
from models.purchases.season.fit import fit_first_stage_at
from models.recipe import Recipe
from models.stats.typing import Floats

# More are older than they are worth, and each costs a description of the customers.
MOST_CUTS = 3
# Of customers who bought in the horizon, and of those who did not.
FEWEST_OF_EITHER = 30


@dataclass(frozen=True)
class PastCut:
    """Everyone learned from at one past date.

    Attributes
    ----------
    cutoff : datetime.date
        Features and the first stage are of what was available before it.
    described : pandas.DataFrame
        Features, then purchases and revenue of the horizon after the cutoff.
    first : pandas.DataFrame
        What the first stage that was fitted then expected, row for row.
    by_clock : bool
        Whether that first stage went by the season's clock.
    """

    cutoff: date
    described: pd.DataFrame
    first: pd.DataFrame
    by_clock: bool

    @property
    def bought(self) -> npt.NDArray[np.bool_]:
        """Who bought, (n,)."""
        return np.asarray(self.described["purchases"].to_numpy(float) > 0)

    @property
    def purchases(self) -> Floats:
        """Purchases in the horizon, (n,)."""
        return np.asarray(self.described["purchases"].to_numpy(float))

    @property
    def revenue(self) -> Floats:
        """Revenue in the horizon, (n,)."""
        return np.asarray(self.described["revenue"].to_numpy(float))


def past_cuts(tables: Tables, as_of: date, recipe: Recipe, vocabulary: Vocabulary) -> list[PastCut]:
    """Describe the customers of up to three past cuts, one horizon apart, with their outcomes.

    Parameters
    ----------
    tables : Tables
        Those of the customers to learn from.
    as_of : datetime.date
        Outcomes available before it are used.
    recipe : Recipe
        Its horizon and first stage.
    vocabulary : Vocabulary
        Names the features.

    Returns
    -------
    list of PastCut
        The newest first; those with enough history, a purchase model, and 30 customers who bought and 30 who did not.

    Raises
    ------
    InputError
        If there is none, saying what the data lack.
    """
    first_day, horizon = first_day_of(tables, as_of), recipe.horizon
    days = 0 if first_day is None else (as_of - first_day).days
    if first_day is None or days < 2 * horizon:
        raise InputError(
            f"the second stage is trained on a horizon of {horizon} days after another one, but there are only {days} "
            f"days of purchases before {as_of}: take a shorter horizon, or give a longer history"
        )
    cuts: list[PastCut] = []
    told: InputError | None = None
    for number in range(1, MOST_CUTS + 1):
        cutoff = as_of - timedelta(days=horizon * number)
        if (cutoff - first_day).days < horizon:
            break
        try:
            cuts.append(_cut(tables, cutoff, as_of, recipe, vocabulary))
        except InputError as error:
            told = told or error
    if not cuts and told is not None:
        raise told
    return cuts


def _cut(tables: Tables, cutoff: date, as_of: date, recipe: Recipe, vocabulary: Vocabulary) -> PastCut:
    fit = fit_first_stage_at(tables, cutoff, recipe)
    kept = kept_by_age(tables, as_of)
    frame = describe_with_outcomes(tables, cutoff, recipe.horizon, vocabulary, known_before=as_of, kept=kept)
    cut = PastCut(cutoff, frame, fit.predict(frame, recipe.horizon), fit.clock is not None)
    buyers = int(cut.bought.sum())
    if min(buyers, len(frame) - buyers) < FEWEST_OF_EITHER:
        raise InputError(
            f"the second stage needs {FEWEST_OF_EITHER} customers who bought in the horizon and as many who did not, "
            f"but {buyers:,} of {len(frame):,} bought in the {recipe.horizon} days from {cutoff}: take a longer "
            "horizon, or wait for more purchases"
        )
    return cut


def first_day_of(tables: Tables, as_of: date) -> date | None:
    """Return the day of the first transaction available before a date, asked once a run."""

    def asked() -> date | None:
        available = tables.transactions.filter(tables.transactions.available_at < midnight(as_of))
        first = available.ts.min().to_pyarrow().as_py()
        return None if first is None else first.date()

    return tables.workspace.once(("first day", as_of), asked)


def described_now(
    tables: Tables, as_of: date, vocabulary: Vocabulary, fit: PurchaseFit, horizon: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Describe the customers to learn from as of a date, and what its first stage expects of the horizon ahead."""
    described = describe_everyone(tables, as_of, vocabulary)
    return described, fit.predict(described, horizon)


def sampled(tables: Tables, as_of: date, seed: int, largest: int) -> Tables:
    """Give the tables of the customers to learn from: all of a small shop, else those whose hashed ids are low.

    Of a base above `largest` customers a half, a quarter, ... is taken, until no more are left. So the samples of two
    dates are mostly the same, and what is computed of them is computed once a run.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Customers with a purchase before it are counted.
    seed : int
        Of the hash.
    largest : int
        Customers of the largest sample.
    """
    halvings = max(int(np.ceil(np.log2(max(count_customers(tables, as_of), 1) / largest))), 0)
    if not halvings:
        return tables
    return tables.workspace.once(("sample", halvings, seed), lambda: _sample(tables, halvings, seed))


def count_customers(tables: Tables, as_of: date) -> int:
    """Count the customers with a purchase before a date, once a run."""
    return tables.workspace.once(
        ("customers", as_of), lambda: int(purchase_summary(tables, as_of).count().to_pyarrow().as_py())
    )


def _sample(tables: Tables, halvings: int, seed: int) -> Tables:
    # Each sample is drawn from the same ids.
    ids = tables.workspace.once("ids", lambda: tables.transactions.select("customer_id").distinct().cache())
    chosen = ids.filter(is_drawn(ids.customer_id, 0.5**halvings, seed)).cache()

    def of_chosen(rows: ibis.Table | None) -> ibis.Table | None:
        return None if rows is None else rows.semi_join(chosen, "customer_id").cache()

    transactions = tables.transactions.semi_join(chosen, "customer_id").cache()
    return Tables(transactions, None, of_chosen(tables.events), of_chosen(tables.customers))
