"""What the comments beside the answers speak of: their topics, each with its share, its NPS and a few examples."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.measures.intervals import nps_interval
from models.segments.topics.factorisation import FEWEST_COMMENTS, NO_TOPIC, STABLE, assign, learn_topics
from models.segments.topics.function_words import FUNCTION_WORDS
from models.segments.topics.languages import languages
from models.segments.topics.names import topic_examples, topic_name
from models.segments.topics.words import count_words, plain_words
from models.stats.typing import Integers

OTHER = "other"
# Different comments of one language. Of four simulated topics and idle talk 300 comments gave 0 to 3, 400 mostly all
# and 600 always all (12 runs); from texts that repeat turns of phrase 300 gave all, and 150 the phrases as topics.
FEWEST_TO_LEARN = 200
# Topics are learned on so many different comments at most, and then given to all.
MOST_TO_LEARN = 10_000


@dataclass(frozen=True)
class Topic:
    """What a part of the comments speak of.

    Parameters
    ----------
    name
        Its most telling words, as people write them; "other" for the comments without a topic.
    language
        Code of the language (ISO 639-1) or name of the writing; "" for "other".
    answers
        Comments that speak of it.
    share
        Of all comments, 0 to 1.
    nps, low, high
        Net promoter score of these answers with its 95 % adjusted-Wald interval, in points.
    difference
        That score - the score of all answers with a comment, in points.
    stability
        Mean Jaccard coefficient of its comments over resamples (`models.segments.topics.factorisation`); NaN for "other".
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
        None where `why` says so.
    other
        The comments without a topic; None where there are no comments.
    answers
        All answers with a comment.
    nps
        Their net promoter score, in points; NaN where there are none. It is the score of those who wrote, not of all.
    why
        Why there are no topics, in words; None where there are some.
    topic_of
        Name of the topic of each comment, "other" where it has none, in the order the comments came in.
    silent
        Language (as of `Topic`) -> its different comments, of the languages without a topic.
    """

    topics: tuple[Topic, ...]
    other: Topic | None
    answers: int
    nps: float
    why: str | None
    topic_of: NDArray[np.object_]
    silent: Mapping[str, int] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Give one row per topic, "other" last; without rows where there are no topics.

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
class _Found:
    """A topic before it has a score: which of the different comments speak of it."""

    name: str
    language: str
    rows: Integers
    stability: float
    examples: tuple[str, ...]


def find_topics(answers: pd.DataFrame, seed: int = 0) -> Topics:
    """Find what comments speak of.

    Comments are told apart by language, forms of a word are taken together by their character n-grams, and groups of
    words that come together more often than chance make the topics, as many as stay on resampling
    (`models.segments.topics.factorisation.learn_topics`). A comment has the topic its words tell most of, or none. Nothing leaves the
    machine, and the only dictionary is the small words of a dozen languages: without them a shop of English and German
    comments of eight topics gave an adjusted Rand index of .61 in simulation, with them .93.

    Parameters
    ----------
    answers
        comment (text) and category (0 detractor, 1 passive, 2 promoter), one row per answer, of
        `features.labels.commented_answers`.
    seed
        For the resamples, and for the sample learned on where there are more than `MOST_TO_LEARN` comments.

    Returns
    -------
    Topics
        The same for the same answers in any order. Without topics where no language has `FEWEST_TO_LEARN` different
        comments, or where nothing in them stays.
    """
    comments = answers["comment"].astype(str).tolist()
    category = answers["category"].to_numpy(dtype=np.int64)
    written = sorted(set(comments))
    place = {comment: row for row, comment in enumerate(written)}
    row_of = np.array([place[comment] for comment in comments], dtype=np.int64)
    texts = plain_words(written)
    language = languages(texts, FEWEST_TO_LEARN)
    found: list[_Found] = []
    silent: dict[str, int] = {}
    with threadpool_limits(limits=1):
        for code in sorted(set(language) - {""}):
            rows = np.flatnonzero(language == code)
            different = len({texts[row] for row in rows})
            of_language: list[_Found] = []
            if different >= FEWEST_TO_LEARN:
                of_language = _of_language(
                    str(code), [written[row] for row in rows], [texts[row] for row in rows], rows, seed
                )
            found += of_language
            if not of_language:
                silent[str(code)] = different
    topic_of_written = np.full(len(written), NO_TOPIC, dtype=np.int64)
    for number, topic in enumerate(found):
        topic_of_written[topic.rows] = number
    why = None if found else _why(max(silent.values(), default=0))
    return replace(_scored(found, topic_of_written[row_of], category, why), silent=silent)


def _of_language(code: str, written: list[str], texts: list[str], rows: Integers, seed: int) -> list[_Found]:
    """Find the topics of the comments of one language; `rows` are their places among all."""
    small_words = FUNCTION_WORDS.get(code, frozenset())
    counts = count_words(texts, small_words)
    # A comment written twice in the same words is one witness of which words go together.
    first = {text: row for row, text in reversed(list(enumerate(texts))) if text}
    learned_on = np.array(sorted(first.values()), dtype=np.int64)
    if len(learned_on) > MOST_TO_LEARN:
        drawn = np.random.default_rng(seed).choice(len(learned_on), MOST_TO_LEARN, replace=False)
        learned_on = learned_on[np.sort(drawn)]
    learned = learn_topics(counts.comments[learned_on], seed)
    labels, _ = assign(counts.comments, learned.weights)
    found = []
    for number, weights in enumerate(learned.weights):
        members = np.flatnonzero(labels == number)
        named_by = np.intersect1d(members, learned_on)
        name = topic_name(texts, counts, named_by, weights, small_words)
        weight = np.asarray(counts.comments[named_by] @ weights)
        examples = topic_examples(written, counts, named_by, weight)
        found.append(_Found(name, code, rows[members], float(learned.stability[number]), examples))
    return found


def _scored(found: list[_Found], label: Integers, category: NDArray[np.int64], why: str | None) -> Topics:
    """Count the answers of each topic and give their scores."""
    names = _unique([topic.name for topic in found])
    counts = np.zeros((len(found) + 1, 3))
    np.add.at(counts, (label, category), 1)  # the last row, -1, is of those without a topic
    nps, low, high = nps_interval(*counts.T)
    overall = float(nps_interval(*counts.sum(axis=0))[0])
    answers = counts.sum(axis=1)
    total = len(label)

    def topic(row: int, name: str, of: _Found | None) -> Topic:
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

    topics = [topic(row, names[row], each) for row, each in enumerate(found)]
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
    """Give the second and further topics of one name a number."""
    seen = {OTHER: 1}
    given = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        given.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return given


def _why(largest: int) -> str:
    if largest < FEWEST_TO_LEARN:
        return (
            f"topics need at least {FEWEST_TO_LEARN} different comments in one language, and the most are {largest}: "
            "in fewer a turn of phrase cannot be told from a topic"
        )
    return (
        f"no group of words stays a topic: each must be found again in resamples of the comments (Jaccard "
        f"coefficient of at least {STABLE}), in at least {FEWEST_COMMENTS} of them, and apart from the others"
    )
