"""Who was asked: all who answered and, of those who did not, as many as still change what is learned of them."""

import json
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.describe import describe, described_beside, materialise
from features.engine.stored import StoredTable
from features.labels import invitations
from features.returns.kept import with_matching
from features.spine import is_drawn, pairs
from features.tables import Tables
from models.release.release import Release
from models.stats.drawing import drawing_hash
from models.survey.frame import newest_per_customer
from models.survey.probability_samples import check_probability_samples, customers_of_samples, match_samples
from models.survey.response.propensity import FEWEST_NON_RESPONDENTS, NON_RESPONDENTS_PER_ANSWER

# With fewer unanswered invitations, or a smaller share of them, the data hold the answers only: those few are slips.
FEWEST_UNANSWERED = 30
SMALLEST_UNANSWERED_SHARE = 0.05


@dataclass(frozen=True)
class Asked:
    """Who was asked, with features as of then.

    Attributes
    ----------
    invited
        Their invitations.
    others
        Of the invitations outside probability samples one row per customer: the newest answer, or else the newest
        invitation. `represents` says for how many customers of the frame a row stands, and `is_drawn` whether it is of
        a random sample of the frame, which holds the share `share` of those with and without an answer.
    of_samples
        One row per customer of each probability sample, with the features as of the day it was drawn.
    share
        Share of the customers without an answer that was drawn, 0 to 1.
    """

    invited: pd.DataFrame
    others: pd.DataFrame
    of_samples: pd.DataFrame
    share: float


def describe_asked(
    tables: Tables,
    release: Release,
    since: date | None,
    probability_samples: pd.DataFrame | None,
    *,
    sampled: bool = False,
) -> Asked:
    """Describe who was asked.

    Parameters
    ----------
    tables, release, since, probability_samples
        Those of `models.survey.prepare.prepare_survey`; the tables must hold answers.
    sampled
        Whether only a sample of those without an answer is described, where there are many. Customers of probability
        samples are all described.
    """
    gap_days, seed = release.parameters.label_gap_days, release.parameters.seed
    samples = None
    if probability_samples is not None:
        samples = check_probability_samples(probability_samples, release.as_of, since)
    reached = 1.0 if tables.sample is None else tables.sample.respondents
    most, tables = available_share(tables), tables.surveyed
    asked = _invitations(tables, release, since)
    share = _share_to_draw(asked, is_drawn(asked.customer_id, most * reached, seed), most) if sampled else most
    asked = asked.mutate(is_drawn=is_drawn(asked.customer_id, share * reached, seed))
    if share < 1.0:
        kept = asked.is_drawn | asked.customer_id.isin(asked.filter(asked.answered).customer_id)
        if samples is not None and len(samples):
            of_samples = ibis.memtable(samples[["customer_id"]].drop_duplicates())
            kept |= asked.customer_id.isin(of_samples.customer_id)
        asked = asked.filter(kept)
    invited = described_beside(tables, asked, release.vocabulary)
    others, of_samples = invited, invited.iloc[:0]
    if samples is not None:
        invited = invited.join(match_samples(invited, samples))
        others, of_samples = invited[invited["drawn_on"].isna()], customers_of_samples(invited, samples)
    if len(of_samples):
        days = of_samples[["customer_id"]].assign(as_of=of_samples["drawn_on"] - pd.Timedelta(days=gap_days))
        then = materialise(describe(tables, with_matching(tables, pairs(ibis.memtable(days))), release.vocabulary))
        then["drawn_on"] = then.pop("as_of") + pd.Timedelta(days=gap_days)
        of_samples = of_samples.merge(then, on=["customer_id", "drawn_on"])
    newest = newest_per_customer(others["customer_id"], others["as_of"], others["answered"])
    others = others.iloc[newest]
    # Who answered in a probability sample only is there for that, and not drawn.
    others = others[others["answered"] | others["is_drawn"]].reset_index(drop=True)
    others["represents"] = np.where(others["answered"], 1.0, 1.0 / share)
    return Asked(invited, others, of_samples, share)


def everyone_asked(tables: Tables, release: Release, since: date | None) -> StoredTable:
    """Describe everyone who was asked, one row per customer as `Asked.others`, into a file of the workspace."""

    def newest() -> ir.Table:
        asked = _with_features(tables, release, _invitations(tables, release, since))
        in_order = [asked.answered.desc(), asked.as_of.desc(), asked.answered_at, asked.score, asked.invited_at]
        first = ibis.row_number().over(group_by="customer_id", order_by=in_order)
        return asked.mutate(place=first).filter(lambda rows: rows.place == 0).drop("place").order_by("customer_id")

    of = release.parameters
    key = ("asked", release.as_of, since, of.nps_question, of.label_gap_days, json.dumps(release.vocabulary.to_dict()))
    return tables.workspace.table(key, newest)


def tells_who_was_asked(others: pd.DataFrame) -> bool:
    """Whether the data hold the unanswered invitations too: enough of those asked did not answer."""
    represents = others["represents"]
    unanswered = float(represents[~others["answered"].astype(bool)].sum())
    return unanswered >= max(FEWEST_UNANSWERED, SMALLEST_UNANSWERED_SHARE * float(represents.sum()))


def available_share(tables: Tables) -> float:
    """Share of those who did not answer that is there, where all who answered count as there: of a sample fewer."""
    return 1.0 if tables.sample is None else tables.sample.customers / tables.sample.respondents


def with_non_respondents(
    answered: pd.DataFrame, base: StoredTable, seed: int, available: float = 1.0
) -> tuple[pd.DataFrame, float]:
    """Add those of a base who did not answer, or a random sample where they are many; with the share in it.

    Parameters
    ----------
    answered
        Rows of `Asked.others`.
    base
        Everyone now.
    seed
        Of the sample.
    available
        `available_share` of the tables that the base comes from.
    """
    customer = base["customer_id"]
    places = np.flatnonzero(~customer.isin(answered["customer_id"]))
    share = min(1.0, _most_non_respondents(len(answered)) / max(len(places), 1))
    if share < 1.0:
        hashed = drawing_hash(customer.to_numpy(object)[places], seed)
        places = places[hashed < np.uint64(share * 2.0**64)]
    share *= available
    others = base.take(places).assign(answered=False, represents=1.0 / share, is_drawn=True)
    return pd.concat([answered, others], ignore_index=True), share


def _invitations(tables: Tables, release: Release, since: date | None) -> ir.Table:
    of = release.parameters
    return invitations(tables.answers, of.nps_question, before=release.as_of, since=since, gap_days=of.label_gap_days)


def _with_features(tables: Tables, release: Release, asked: ir.Table) -> ir.Table:
    described = describe(tables, with_matching(tables, pairs(asked)), release.vocabulary)
    return asked.inner_join(described, ["customer_id", "as_of"])


def _share_to_draw(asked: ir.Table, is_there: ir.BooleanValue, most: float) -> float:
    """Share of the customers without an answer that still changes what is learned, at most the share that is there."""
    counts = asked.agg(
        there=asked.customer_id.nunique(where=is_there),
        there_answered=asked.customer_id.nunique(where=is_there & asked.answered),
        who_answered=asked.customer_id.nunique(where=asked.answered),
    )
    row = counts.to_pyarrow().to_pylist()[0]
    others = (row["there"] - row["there_answered"]) / most
    return float(min(most, _most_non_respondents(row["who_answered"]) / max(others, 1)))


def _most_non_respondents(answers: int) -> int:
    return max(NON_RESPONDENTS_PER_ANSWER * answers, FEWEST_NON_RESPONDENTS)
