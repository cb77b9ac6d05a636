"""Whom to ask so that the NPS is known to a wanted margin: who may be asked, how many it takes, and the list."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from features.describe import describe_everyone, feature_names
from features.tables import Tables
from models.release.release import Release
from models.stats.typing import Floats
from models.survey.base import sample_positions
from models.survey.design import EVERYONE, Design, design_sample, draw
from models.survey.frame import POINTS
from models.survey.response_rates import lately_asked, response_rates
from models.survey.small_area import UNNAMED
from models.survey.weight_noise import ResponseNoise

# Half of them promoters and half detractors: no answers vary more.
WORST_CASE = (0.5, 0.0, 0.5)
# Of fewer, half widths were a tenth above the planned one in the mean over simulated surveys, and scattered by as much.
FEW_ANSWERS = 200


@dataclass(frozen=True)
class SampleFigures:
    """The figures of a sample; JSON-able by `to_dict`.

    Attributes
    ----------
    margin
        Wanted half width of the 95 % interval, points.
    expected_margin
        That of the whole base, as the sample is expected to give it.
    customers, quiet, eligible
        Of the base; those asked within the quiet period; those who may be asked.
    invitations, expected_answers
        Customers to ask, and how many of them will probably answer.
    invitations_at_random
        Invitations that a simple random sample would need, in each segment by itself; None where it could not do.
    response_rate
        Mean probability of answering of those who may be asked.
    quiet_days, seed
        As given.
    """

    margin: float
    expected_margin: float
    customers: int
    quiet: int
    eligible: int
    invitations: int
    expected_answers: float
    invitations_at_random: int | None
    response_rate: float
    quiet_days: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Sample:
    """The customers to ask, and what is expected of them.

    Attributes
    ----------
    list
        One row per customer to ask, in the order of customer_id: customer_id, segment, stratum, inclusion_probability.
    strata, segments
        As `models.survey.design.Design` has them.
    figures
        The totals.
    sentences
        What to tell of it.
    notes
        What a reader must know: what was guessed, and who does not get the margin.
    """

    list: pd.DataFrame
    strata: pd.DataFrame
    segments: pd.DataFrame
    figures: SampleFigures
    sentences: tuple[str, ...]
    notes: tuple[str, ...]


def plan_sample(
    tables: Tables,
    release: Release,
    *,
    as_of: date,
    margin: float,
    quiet_days: int,
    segment: pd.Series | None = None,
    response_rate: float | None = None,
    seed: int = 0,
    drawn: pd.DataFrame | None = None,
) -> Sample:
    """Find how many customers must be asked, and draw them.

    Parameters
    ----------
    tables
        The shop's checked tables.
    release
        Its scorer predicts what customers would answer.
    as_of
        Exclusive: the day the invitations go out.
    margin
        Wanted half width of the 95 % interval of the NPS, points.
    quiet_days
        Nobody is asked who was asked anything, answered or was drawn in so many days before.
    segment
        Segment of customers by customer_id: the margin then holds for each, and customers without one are a segment
        "not known".
    response_rate
        Share that is expected to answer; needed where the tables do not say who did not answer.
    seed
        Of the draw, with as_of: lists of two days are independent.
    drawn
        Earlier samples, as `models.survey.probability_samples.check_probability_samples` takes them.

    Raises
    ------
    InputError
        If the margin is out of reach, nobody may be asked, or nothing is known of who answers.
    """
    described = describe_everyone(tables, as_of, release.vocabulary)
    if described.empty:
        raise InputError(f"no purchase is visible before {as_of}: name a later date with --as-of")
    probabilities, notes = _predictions(release, described)
    rates = response_rates(tables, release, as_of, described, response_rate, drawn)
    customer = described["customer_id"]
    quiet = customer.isin(lately_asked(tables.answers, as_of, quiet_days, drawn)).to_numpy()
    points = probabilities @ POINTS
    base = pd.DataFrame(
        {
            "customer_id": customer,
            "segment": EVERYONE if segment is None else _names(customer, segment),
            "points": points,
            "variance": probabilities @ POINTS**2 - points**2 + _noise(release) ** 2,
            "response": rates.response,
            "eligible": ~quiet,
        }
    )
    some = described.iloc[sample_positions(len(described), seed)]
    design = design_sample(base, margin, ResponseNoise.of(some[feature_names(release.vocabulary)]))
    at_random = design.segments["invitations_at_random"]
    figures = SampleFigures(
        margin=margin,
        expected_margin=design.margin,
        customers=len(base),
        quiet=int(quiet.sum()),
        eligible=int((~quiet).sum()),
        invitations=int(design.strata["invitations"].sum()),
        expected_answers=float(design.strata["expected_answers"].sum()),
        invitations_at_random=None if at_random.isna().any() else int(at_random.sum()),
        response_rate=float(rates.response[~quiet].mean()),
        quiet_days=quiet_days,
        seed=seed,
    )
    return Sample(
        # Of their own each day: with one seed for all, the same customers would be asked again and again.
        draw(design, (seed, as_of.toordinal())),
        design.strata,
        design.segments,
        figures,
        (*_sentences(figures, by_segment=segment is not None), rates.why),
        (*notes, *_out_of_reach(design, margin), *_few_answers(design)),
    )


def _predictions(release: Release, described: pd.DataFrame) -> tuple[Floats, tuple[str, ...]]:
    """Probabilities of the three categories, (M, 3), and what to say of them."""
    nps: Mapping[str, Any] = release.parameters["nps"]
    if nps["source"] is None:
        note = f"Answers are taken to vary as much as they can, half promoters and half detractors: {nps['why']}"
        return np.tile(WORST_CASE, (len(described), 1)), (note,)
    probabilities = release.scorer.category_probabilities(described)
    if nps["source"] == "prior":
        note = "Behaviour does not tell who is a promoter, so every answer is taken to vary as past answers did."
        return probabilities, (note,)
    return probabilities, ()


def _names(customer: pd.Series, segment: pd.Series) -> pd.Series:
    """Name the segment of each customer, (M,)."""
    return customer.map(segment.astype(object)).fillna(UNNAMED).astype(str)


def _noise(release: Release) -> float:
    """Return the standard error of a predicted answer, points: what it misses for that adds to an answer's variance."""
    return float(release.parameters["nps"].get("noise") or 0.0)


def _sentences(figures: SampleFigures, *, by_segment: bool) -> tuple[str, ...]:
    """Tell how many are asked, what that is worth, and who is left alone."""
    of = "each segment" if by_segment else "the base"
    told = [
        f"To know the NPS of {of} to ±{figures.margin:g} points (95 %), {figures.invitations:,} of "
        f"{figures.eligible:,} customers who may be asked are invited; about {figures.expected_answers:,.0f} of them "
        "will answer."
    ]
    if by_segment:
        told.append(f"The NPS of the whole base will then be known to ±{figures.expected_margin:.1f}.")
    if figures.invitations_at_random is not None and figures.invitations_at_random > figures.invitations:
        told.append(f"Drawn simply at random it would take {figures.invitations_at_random:,} invitations.")
    if figures.quiet:
        told.append(
            f"{figures.quiet:,} customers were asked or answered in the last {figures.quiet_days} days and are left "
            "alone: the model speaks for them, put right by what was answered then and by the others."
        )
    return tuple(told)


def _out_of_reach(design: Design, margin: float) -> tuple[str, ...]:
    """Name the segments that cannot have the margin."""
    missed = design.segments[~design.segments["reached"]]
    asked = missed[missed["eligible"] > 0].to_dict("records")
    nobody = missed.loc[missed["eligible"] == 0, "segment"]
    notes = []
    if asked:
        reach = ", ".join(f"{row['segment']} ±{row['margin']:.1f} ({row['eligible']:,} customers)" for row in asked)
        notes.append(f"Too small for ±{margin:g} even if all are asked, as they are here: {reach}.")
    if len(nobody):
        notes.append(f"Nobody may be asked in: {', '.join(nobody)}.")
    return tuple(notes)


def _few_answers(design: Design) -> tuple[str, ...]:
    """Say that the margin is no more than likely where few answers are expected."""
    fewest = design.segments.loc[design.segments["invitations"] > 0, "expected_answers"].min()
    if fewest >= FEW_ANSWERS:
        return ()
    return (f"Under {FEW_ANSWERS} answers the margin is itself uncertain: it may come out a fifth wider.",)
