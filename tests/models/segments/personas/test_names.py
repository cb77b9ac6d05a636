"""Names are words for what tells a persona apart, unlike each other, and stay with the people."""

from itertools import permutations

import numpy as np

from features.catalogue import catalogue_of
from features.vocabulary import TRANSACTION_EXTRAS, Vocabulary
from models.segments.personas.names import persona_names, same_people, telling_words, word
from models.segments.personas.space import Coordinate

ALL = Vocabulary(
    purchase_columns=TRANSACTION_EXTRAS,
    channels=("web shop",),
    event_kinds={"delivered": ("value", "duration_s", "due_at"), "promised": ("overdue",), "visit": ()},
    categories=("toys", "ring\n binders_A4"),
)
FEATURES = catalogue_of(ALL)


def coordinates(**themes):
    return [Coordinate(feature, theme, FEATURES[feature], (0.0, 1.0), (0.0, 1.0)) for feature, theme in themes.items()]


def test_every_feature_of_personas_has_a_word_for_much():
    words = {name: word(feature, 1.0) for name, feature in FEATURES.items() if feature.persona is not None}
    assert len(words) > 20
    assert all(words.values())
    assert words["channel_share_of_web_shop"] == "by web shop"
    assert words["mean_days_late_of_delivered"] == "delivered late"
    assert word(FEATURES["days_since_last_purchase"], -1.0) == "recent"
    assert word(FEATURES["channel_share_of_web_shop"], -1.0) == ""


def test_a_word_is_of_one_line_whatever_a_category_is_called():
    assert word(FEATURES["category_share_of_ring_binders_a4"], 1.0) == "buys ring binders a4"


def test_words_come_by_size_one_a_theme_and_only_where_they_tell():
    words = telling_words(
        coordinates(
            orders_ever="frequency",
            orders_365d="frequency",
            net_value_ever="spending",
            T="time as a customer",
            events_365d_of_visit="visits",
        ),
        np.array([0.9, 1.2, -1.5, 0.3, 1.6]),
    )
    # Visits differ most, by less than a quarter more than spending: purchases come first.
    assert words == ["low spending", "visit often", "frequent"]


def test_no_two_names_are_alike():
    words = [["recent", "frequent", "large"], ["frequent", "recent", "large", "new"], ["new"], ["new"], [], ["old"]]
    names = persona_names(words, kept={5: "new"})
    # The first two are the same words in another order until a fourth tells them apart.
    assert names == [
        "recent, frequent, large",
        "frequent, recent, large, new",
        "new (2)",
        "new (3)",
        "in between",
        "new",
    ]


def test_names_stay_with_the_same_people_as_the_best_of_all_matchings_has_it(rng):
    before_names = ["a", "b", "c"]
    for _ in range(20):
        clusters, before = rng.integers(0, 4, 60), rng.integers(0, 3, 60)
        clusters[:45] = before[:45]
        kept = same_people(clusters, 4, [before_names[i] for i in before], before_names)
        overlap = np.array(
            [
                [np.sum((clusters == i) & (before == j)) / np.sum((clusters == i) | (before == j)) for j in range(3)]
                for i in range(4)
            ]
        )
        best = max(permutations(range(4), 3), key=lambda rows: overlap[list(rows), range(3)].sum())
        assert kept == {i: before_names[j] for j, i in enumerate(best) if overlap[i, j] >= 0.5}


def test_people_who_are_not_the_same_lose_their_name():
    assert same_people(np.array([0, 0, 1, 1]), 2, ["a", "a", "a", "a"], ["a"]) == {0: "a"}
    assert same_people(np.array([0, 0, 1, 1, 2, 2]), 3, ["a"] * 6, ["a"]) == {}
    assert same_people(np.array([0, 0, 0, 1]), 2, ["all customers"] * 4, ["all customers"]) == {}
