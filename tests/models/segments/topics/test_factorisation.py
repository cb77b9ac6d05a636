import math

import numpy as np
import pytest
from scipy import sparse

from models.segments.topics.factorisation import NO_TOPIC, TELLING_CHI_SQUARE, TELLING_ODDS, assign, learn_topics

N, WORDS = 900, 60


def planted(share=(0.25, 0.25), seed=1, chatter=0.05):
    """Comments of which the first share speaks with words 0-7, the next with words 8-15, and all with the others."""
    generator = np.random.default_rng(seed)
    topic = np.repeat([*range(len(share)), NO_TOPIC], [*(int(part * N) for part in share), N - int(sum(share) * N)])
    words = generator.random((N, WORDS)) < chatter
    for number in range(len(share)):
        words[:, 8 * number : 8 * number + 8] = False
        rows = np.flatnonzero(topic == number)
        words[rows, 8 * number : 8 * number + 8] = generator.random((len(rows), 8)) < 0.4
    return sparse.csr_matrix(words.astype(float)), topic


def test_planted_groups_of_words_are_found_and_no_more():
    comments, topic = planted()
    learned = learn_topics(comments, seed=0)
    assert len(learned.stability) == 2
    assert learned.stability.min() > 0.95
    label = assign(comments, learned.weights)
    has_topic_word = np.asarray(comments[:, :16].sum(axis=1)).ravel() > 0
    order = (
        label[np.flatnonzero(topic == 0)[has_topic_word[topic == 0]][0]],
        label[np.flatnonzero(topic == 1)[has_topic_word[topic == 1]][0]],
    )
    names = {0: order[0], 1: order[1], NO_TOPIC: NO_TOPIC}
    right = np.array([names[number] for number in topic]) == label
    assert right[has_topic_word].mean() > 0.99
    assert (label[~has_topic_word] == NO_TOPIC).all()


def test_a_word_weighs_its_log_odds_in_the_topic_against_elsewhere():
    comments, _ = planted()
    learned = learn_topics(comments, seed=0)
    label = assign(comments, learned.weights)
    dense = comments.toarray()
    for topic in range(2):
        inside, outside = dense[label == topic], dense[label != topic]
        for word in range(WORDS):
            here, there = inside[:, word].sum(), outside[:, word].sum()
            odds = ((here + 0.5) / (len(inside) + 1)) / ((there + 0.5) / (len(outside) + 1))
            expected = len(inside) * (here + there) / N
            ratio = 2 * (here * math.log(here / expected) - (here - expected)) if here else 0
            tells = odds >= TELLING_ODDS and ratio > TELLING_CHI_SQUARE and here >= 3
            assert learned.weights[topic, word] == pytest.approx(math.log(odds) if tells else 0)


def test_words_that_come_independently_make_no_topic():
    # Some words are in every third comment, most in few, as words are; comments have many lengths.
    generator = np.random.default_rng(3)
    for n in (300, 3000):
        frequency = 0.6 / np.arange(1, 401) ** 0.8
        length = generator.gamma(2, 0.5, n)[:, None]
        comments = sparse.csr_matrix((generator.random((n, 400)) < np.minimum(frequency * length, 0.9)).astype(float))
        assert len(learn_topics(comments, seed=0).stability) == 0


def test_a_topic_in_too_few_comments_is_none():
    comments, _ = planted(share=(0.25, 0.009))
    assert len(learn_topics(comments, seed=0).stability) == 1


def test_a_comment_has_the_topic_its_words_weigh_most_for():
    weights = np.array([[2.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.5, 0.0]])
    comments = sparse.csr_matrix(
        np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=float)
    )
    assert assign(comments, weights).tolist() == [0, 1, 0, NO_TOPIC, 1]
    assert assign(comments, weights[:0]).tolist() == [NO_TOPIC] * 5


def test_few_comments_or_words_make_no_topic():
    assert len(learn_topics(sparse.csr_matrix((0, 0)), seed=0).stability) == 0
    assert len(learn_topics(sparse.csr_matrix((5, 0)), seed=0).stability) == 0
    assert len(learn_topics(sparse.csr_matrix(np.ones((3, 2))), seed=0).stability) == 0
