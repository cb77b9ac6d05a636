"""Whom to ask so that the NPS has a wanted margin of error: who may be asked, how many of them, and the list."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from features.describe import describe_everyone, feature_names
from features.tables import Tables
from models.nps.out_of_fold import POINTS
from models.release.release import Release
from models.stats.typing import Floats
from models.survey.design import EVERYONE, Design, design_sample, draw
from models.survey.prepare import sample_positions
from models.survey.response.weight_noise import ResponseNoise
from models.survey.response_rates import recently_asked, response_rates
from models.survey.small_area import UNNAMED

# Half promoters and half detractors: no answers have a larger variance.
WORST_CASE = (0.5, 0.0, 0.5)
# With fewer, the half widths of simulated surveys were 10 % above the planned one on average, with as much scatter.
FEW_ANSWERS = 200


@dataclass(frozen=True)
class SampleFigures:
    """The figures of a sample; JSON-able by `to_dict`.

    Attributes
    ----------
    margin
        Wanted margin of error: half width of the 95 % interval, points.
    expected_margin
        Expected margin of error of the whole base, points.
    customers, quiet, eligible
        Customers in the base; those asked within the quiet period; those who may be asked.
    invitations, expected_answers
        Customers to ask, and the expected number of answers.
    invitations_at_random
        Invitations that simple random samples of the segments would need; None if even asking all would not do.
    response_rate
        Mean probability of answering of those who may be asked, a share.
    quiet_days, seed
        As given to `plan_sample`.
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
        As in `models.survey.design.Design`.
    figures
        The totals.
    sentences
        The result in words.
    notes
        What a reader must know: what was assumed, and which segments do not get the margin.
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
    probability_samples: pd.DataFrame | None = None,
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
        Wanted margin of error of the NPS: half width of its 95 % interval, points.
    quiet_days
        Customers who were asked anything, answered or were in a sample in so many days before as_of are not asked.
    segment
        Segment of customers by customer_id: each segment then gets the margin. Customers without a segment form a
        segment "not known".
    response_rate
        Share that is expected to answer; required if the tables do not hold unanswered invitations.
    seed
        Seed of the draw, together with as_of: samples of two days are independent.
    probability_samples
        Earlier samples, as `models.survey.probability_samples.check_probability_samples` takes them.

    Raises
    ------
    InputError
        If no sample has this margin, nobody may be asked, or the response rate is not known.
    """
    described = describe_everyone(tables, as_of, release.vocabulary)
    if described.empty:
        raise InputError(f"no purchase is visible before {as_of}: name a later date with --as-of")
    probabilities, notes = _predictions(release, described)
    rates = response_rates(tables, release, as_of, described, response_rate, probability_samples)
    customer = described["customer_id"]
    quiet = customer.isin(recently_asked(tables.answers, as_of, quiet_days, probability_samples)).to_numpy()
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
    base_sample = described.iloc[sample_positions(len(described), seed)]
    design = design_sample(base, margin, ResponseNoise.of(base_sample[feature_names(release.vocabulary)]))
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
        # Each day has its own random numbers: with the seed alone, the same customers would be asked again and again.
        draw(design, (seed, as_of.toordinal())),
        design.strata,
        design.segments,
        figures,
        (*_sentences(figures, by_segment=segment is not None), rates.why),
        (*notes, *_missed_margins(design, margin), *_few_answers(design)),
    )


def _predictions(release: Release, described: pd.DataFrame) -> tuple[Floats, tuple[str, ...]]:
    """Probabilities of the three categories, (M, 3), and the notes on them."""
    nps = release.parameters.nps
    if nps.source is None:
        note = f"The largest variance of answers is assumed, half promoters and half detractors: {nps.why}"
        return np.tile(WORST_CASE, (len(described), 1)), (note,)
    probabilities = release.scorer.category_probabilities(described)
    if nps.source == "prior":
        note = "Behaviour does not tell who is a promoter, so all customers get the variance of past answers."
        return probabilities, (note,)
    return probabilities, ()


def _names(customer: pd.Series, segment: pd.Series) -> pd.Series:
    """Name the segment of each customer, (M,)."""
    return customer.map(segment.astype(object)).fillna(UNNAMED).astype(str)


def _noise(release: Release) -> float:
    """Return the standard error of a predicted answer, points: its square is added to the variance of the answer."""
    return float(release.parameters.nps.noise or 0.0)


def _sentences(figures: SampleFigures, *, by_segment: bool) -> tuple[str, ...]:
    """Say how many customers are asked, what margin that gives, and who is not asked."""
    of = "each segment" if by_segment else "the base"
    sentences = [
        f"To know the NPS of {of} to ±{figures.margin:g} points (95 %), {figures.invitations:,} of "
        f"{figures.eligible:,} customers who may be asked are invited; about {figures.expected_answers:,.0f} of them "
        "will answer."
    ]
    if by_segment:
        sentences.append(f"The NPS of the whole base will then be known to ±{figures.expected_margin:.1f}.")
    if figures.invitations_at_random is not None and figures.invitations_at_random > figures.invitations:
        sentences.append(f"A simple random sample would need {figures.invitations_at_random:,} invitations.")
    if figures.quiet:
        sentences.append(
            f"{figures.quiet:,} customers were asked or answered in the last {figures.quiet_days} days and are not "
            "asked again: the model predicts them, and their recent answers and those of the others correct it."
        )
    return tuple(sentences)


def _missed_margins(design: Design, margin: float) -> tuple[str, ...]:
    """Name the segments that cannot have the margin."""
    missed = design.segments[~design.segments["reached"]]
    asked = missed[missed["eligible"] > 0].to_dict("records")
    nobody = missed.loc[missed["eligible"] == 0, "segment"]
    notes = []
    if asked:
        margins = ", ".join(f"{row['segment']} ±{row['margin']:.1f} ({row['eligible']:,} customers)" for row in asked)
        notes.append(f"Too small for ±{margin:g}, although all their customers are asked: {margins}.")
    if len(nobody):
        notes.append(f"Nobody may be asked in: {', '.join(nobody)}.")
    return tuple(notes)


def _few_answers(design: Design) -> tuple[str, ...]:
    """Warn that the planned margin is uncertain if few answers are expected."""
    fewest = design.segments.loc[design.segments["invitations"] > 0, "expected_answers"].min()
    if fewest >= FEW_ANSWERS:
        return ()
    return (f"With fewer than {FEW_ANSWERS} answers the margin itself is uncertain: it may turn out 20 % wider.",)
