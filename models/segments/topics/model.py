"""Topics of the comments that came with answers, each with its share, its NPS and a few examples."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from features.measures.intervals import effective_number_of, nps_interval
from models.segments.topics.factorisation import FEWEST_COMMENTS, NO_TOPIC, STABLE, assign, learn_topics
from models.segments.topics.function_words import FUNCTION_WORDS
from models.segments.topics.languages import languages
from models.segments.topics.names import topic_examples, topic_name
from models.segments.topics.words import count_words, plain_words
from models.stats.typing import Integers, Texts

OTHER = "other"
# Fewest different comments of one language. With four simulated topics and small talk 300 comments gave 0 to 3 of the
# topics, 400 mostly all, 600 always all (12 runs). With texts that repeat phrases 300 gave all; 150 gave phrases as
# topics.
FEWEST_TO_LEARN = 200
# Most different comments that topics are learned from; all comments are then assigned.
MOST_TO_LEARN = 10_000


@dataclass(frozen=True)
class Topic:
    """A topic of comments.

    Parameters
    ----------
    name
        Its most telling words, as people write them; "other" for the comments without a topic.
    language
        Code of the language (ISO 639-1) or name of the script; "" for "other".
    answers
        How many comments have this topic.
    share
        Share of all comments, 0 to 1.
    nps, low, high
        Net promoter score of these answers with its 95 % adjusted-Wald interval, in points.
    difference
        nps minus the net promoter score of all answers with a comment, in points.
    stability
        Mean Jaccard coefficient of its comments over resamples (`factorisation.learn_topics`); NaN for "other".
    examples
        Up to three typical comments, personal data masked.
    """

    name: str
    language: str
    answers: int
    share: float
    nps: float
    low: float
    high: float
    difference: float
    stability: float
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Topics:
    """The topics of comments, the most frequent first.

    Parameters
    ----------
    topics
        Empty where `why` is given.
    other
        The comments without a topic; None where there are no comments.
    answers
        How many answers have a comment.
    nps
        Their net promoter score, in points; NaN where there are none. It describes those who wrote, not all customers.
    why
        Why there are no topics, in words; None where there are some.
    topic_of
        Name of the topic of each comment in the order of the input, "other" where it has none.
    without_topic
        Language (as in `Topic`) -> number of its different comments, for the languages without a topic.
    """

    topics: tuple[Topic, ...]
    other: Topic | None
    answers: int
    nps: float
    why: str | None
    topic_of: Texts
    without_topic: Mapping[str, int] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per topic, "other" last; no rows where there are no topics.

        Returns
        -------
        DataFrame
            topic, language, answers, share, nps, nps_low, nps_high, difference, stability, examples (a list).
        """
        rows = [*self.topics, self.other] if self.topics and self.other else []
        return pd.DataFrame(
            {
                "topic": pd.Series([row.name for row in rows], dtype=object),
                "language": pd.Series([row.language for row in rows], dtype=object),
                "answers": pd.Series([row.answers for row in rows], dtype="int64"),
                "share": pd.Series([row.share for row in rows], dtype=float),
                "nps": pd.Series([row.nps for row in rows], dtype=float),
                "nps_low": pd.Series([row.low for row in rows], dtype=float),
                "nps_high": pd.Series([row.high for row in rows], dtype=float),
                "difference": pd.Series([row.difference for row in rows], dtype=float),
                "stability": pd.Series([row.stability for row in rows], dtype=float),
                "examples": pd.Series([list(row.examples) for row in rows], dtype=object),
            }
        )


@dataclass(frozen=True)
class _Learned:
    """A topic before it has a score: the rows of the different comments that have it."""

    name: str
    language: str
    rows: Integers
    stability: float
    examples: tuple[str, ...]


def find_topics(answers: pd.DataFrame, seed: int = 0) -> Topics:
    """Find the topics of comments.

    Comments are separated by language, and forms of a word are joined by their character n-grams. Topics are groups of
    words that share comments more often than by chance; their number is the one that is stable under resampling
    (`models.segments.topics.factorisation.learn_topics`). A comment has the topic that its words point to most, or
    none. Nothing leaves the machine. The only dictionary is the function words of a dozen languages: in a simulated
    shop with eight topics in English and German the adjusted Rand index was .61 without them and .93 with them.

    Parameters
    ----------
    answers
        comment (text) and category (0 detractor, 1 passive, 2 promoter), one row per answer, as
        `features.labels.commented_answers` gives them; with customer_id, answers of one customer count as one customer
        in the intervals.
    seed
        Seed of the resamples, and of the sample to learn from where there are more than `MOST_TO_LEARN` comments.

    Returns
    -------
    Topics
        The same for the same answers in any order. Without topics where no language has `FEWEST_TO_LEARN` different
        comments, or where no topic is stable.
    """
    comments = answers["comment"].astype(str).tolist()
    category = answers["category"].to_numpy(dtype=np.int64)
    written = sorted(set(comments))
    place = {comment: row for row, comment in enumerate(written)}
    row_of = np.array([place[comment] for comment in comments], dtype=np.int64)
    texts = plain_words(written)
    language = languages(texts, FEWEST_TO_LEARN)
    learned: list[_Learned] = []
    without_topic: dict[str, int] = {}
    with threadpool_limits(limits=1):
        for code in sorted(set(language) - {""}):
            rows = np.flatnonzero(language == code)
            different = len({texts[row] for row in rows})
            of_language: list[_Learned] = []
            if different >= FEWEST_TO_LEARN:
                of_language = _of_language(
                    str(code), [written[row] for row in rows], [texts[row] for row in rows], rows, seed
                )
            learned += of_language
            if not of_language:
                without_topic[str(code)] = different
    topic_of_written = np.full(len(written), NO_TOPIC, dtype=np.int64)
    for number, topic in enumerate(learned):
        topic_of_written[topic.rows] = number
    why = None if learned else _why(max(without_topic.values(), default=0))
    customer = answers["customer_id"].to_numpy(str) if "customer_id" in answers else np.arange(len(answers))
    scored = _scored(learned, topic_of_written[row_of], category, customer, why)
    return replace(scored, without_topic=without_topic)


def _of_language(code: str, written: list[str], texts: list[str], rows: Integers, seed: int) -> list[_Learned]:
    """Find the topics of the comments of one language; `rows` are their rows among all comments."""
    function_words = FUNCTION_WORDS.get(code, frozenset())
    counts = count_words(texts, function_words)
    # Comments of the same words are independent evidence only once.
    first = {text: row for row, text in reversed(list(enumerate(texts))) if text}
    learned_on = np.array(sorted(first.values()), dtype=np.int64)
    if len(learned_on) > MOST_TO_LEARN:
        drawn = np.random.default_rng(seed).choice(len(learned_on), MOST_TO_LEARN, replace=False)
        learned_on = learned_on[np.sort(drawn)]
    learned = learn_topics(counts.comments[learned_on], seed)
    labels = assign(counts.comments, learned.weights)
    topics = []
    for number, weights in enumerate(learned.weights):
        members = np.flatnonzero(labels == number)
        named_by = np.intersect1d(members, learned_on)
        name = topic_name(texts, counts, named_by, weights, function_words)
        weight = np.asarray(counts.comments[named_by] @ weights)
        examples = topic_examples(written, counts, named_by, weight)
        topics.append(_Learned(name, code, rows[members], float(learned.stability[number]), examples))
    return topics


def _scored(
    learned: list[_Learned], label: Integers, category: Integers, customer: npt.NDArray[Any], why: str | None
) -> Topics:
    """Count the answers of each topic and compute their scores."""
    names = _unique([topic.name for topic in learned])
    counts = np.zeros((len(learned) + 1, 3))
    np.add.at(counts, (label, category), 1)  # the last row, -1, counts those without a topic
    rows_of = [np.flatnonzero(label == row) for row in (*range(len(learned)), -1)]
    effective = [effective_number_of(customer[rows], category[rows] - 1) for rows in rows_of]
    detractors, passives, promoters = counts.T
    nps, low, high = nps_interval(detractors, passives, promoters, effective)
    overall = float(nps_interval(*counts.sum(axis=0))[0])
    answers = counts.sum(axis=1)
    total = len(label)

    def topic(row: int, name: str, of: _Learned | None) -> Topic:
        return Topic(
            name=name,
            language=of.language if of else "",
            answers=int(answers[row]),
            share=float(answers[row] / total),
            nps=float(nps[row]),
            low=float(low[row]),
            high=float(high[row]),
            difference=float(nps[row] - overall),
            stability=of.stability if of else float("nan"),
            examples=of.examples if of else (),
        )

    topics = [topic(row, names[row], each) for row, each in enumerate(learned)]
    topics.sort(key=lambda each: (-each.answers, each.name))
    return Topics(
        topics=tuple(topics),
        other=topic(-1, OTHER, None) if total else None,
        answers=total,
        nps=overall,
        why=why,
        topic_of=np.array([*names, OTHER], dtype=object)[label],
    )


def _unique(names: list[str]) -> list[str]:
    """Add a number to the second and further topics of one name."""
    times = Counter([OTHER])
    unique = []
    for name in names:
        times[name] += 1
        unique.append(name if times[name] == 1 else f"{name} ({times[name]})")
    return unique


def _why(largest: int) -> str:
    if largest < FEWEST_TO_LEARN:
        return (
            f"topics need at least {FEWEST_TO_LEARN} different comments in one language, and the most are {largest}; "
            "with fewer, a common phrase cannot be told from a topic"
        )
    return (
        f"no group of words is a stable topic: each must be found again in resamples of the comments (Jaccard "
        f"coefficient of at least {STABLE}), in at least {FEWEST_COMMENTS} of them, and separate from the others"
    )
