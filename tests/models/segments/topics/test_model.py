import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from features.measures.intervals import effective_number_of, nps_interval
from models.segments.topics import model as comment_topics
from models.segments.topics.model import FEWEST_TO_LEARN, find_topics

# What is spoken of: forms of its names, and what is said of it.
SPEECH = {
    "ru": {
        "delivery": (
            "доставка доставку доставки доставкой курьер курьера курьеры курьером",
            "опоздала опоздал задержали поздно неделю ждали приехал везли срок перенесли",
        ),
        "quality": (
            "качество качества ткань ткани материал материалом швы",
            "порвалась порвались стирки брак бракованный нитки торчат криво линяет плохое",
        ),
        "price": (
            "цена цены ценой цену стоимость скидка скидки",
            "дорого дороже завышена выросла конкурентов дешевле кусаются высокая рынка переплата",
        ),
        "support": (
            "поддержка поддержки поддержку оператор операторы оператора менеджер",
            "звонки телефону хамит чате ответили трубку перезвонили вопрос решили вежливый",
        ),
    },
    "en": {
        "delivery": (
            "delivery deliveries courier couriers parcel parcels",
            "late delayed arrived arrive week waited missing driver tracking postponed",
        ),
        "quality": (
            "quality fabric fabrics material seams stitching",
            "tore torn washing threads faded awful broken cheaply crooked worn",
        ),
        "price": (
            "price prices cost costs discount discounts",
            "expensive overpriced higher competitors cheaper elsewhere money raised worth afford",
        ),
        "support": (
            "support agent agents operator operators helpdesk",
            "phone rude answered chat question solved called polite hung reply",
        ),
    },
}
CHATTER = {
    "ru": "и в на не что это я у вас мне но очень для как было за все магазин заказ покупка подарок раз лето мама",
    "en": "and the in not that this i you me but very for as was to of shop order purchase gift time summer mom",
}
PROMOTERS = {"delivery": 0.2, "quality": 0.4, "price": 0.5, "support": 0.7, "other": 0.6}


def comments(n, language, seed, topics=None, other=0.25):
    """Comments whose words are drawn one by one, in any order: nothing but the topic makes words come together."""
    generator = np.random.default_rng(seed)
    speech = SPEECH[language]
    names = [*(topics if topics is not None else speech), "other"]
    share = [*[(1 - other) / (len(names) - 1)] * (len(names) - 1), other] if len(names) > 1 else [1.0]
    chatter = CHATTER[language].split()
    rows = []
    for topic in generator.choice(names, n, p=share):
        words = list(generator.choice(chatter, 4 + generator.poisson(3)))
        # Names of goods: many, each rare.
        words += [
            f"{'товар' if language == 'ru' else 'item'}{'абвгдежзик'[int(d)]}" for d in generator.integers(0, 10, 1)
        ]
        if topic != "other":
            named, said = (part.split() for part in speech[topic])
            words += [*generator.choice(named, 1 + generator.poisson(0.5)), *generator.choice(said, 2)]
        generator.shuffle(words)
        is_promoter = generator.random() < PROMOTERS[topic]
        category = 2 if is_promoter else int(generator.integers(0, 2))
        label = "other" if topic == "other" else f"{language} {topic}"
        rows.append({"comment": " ".join(words).capitalize() + ".", "category": category, "truth": label})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def mixed():
    """Comments of a shop where two languages are spoken, and their topics."""
    answers = pd.concat([comments(600, "ru", 1), comments(600, "en", 2)], ignore_index=True)
    return answers, find_topics(answers)


def test_the_topics_of_each_language_are_those_that_were_planted(mixed):
    answers, topics = mixed
    assert adjusted_rand_score(answers.truth, topics.topic_of) > 0.9
    assert sorted(topic.language for topic in topics.topics) == ["en"] * 4 + ["ru"] * 4
    for topic in topics.topics:
        truth = answers.truth[topics.topic_of == topic.name].mode()[0]
        language, subject = truth.split()
        assert topic.language == language
        assert topic.share == pytest.approx((answers.truth == truth).mean(), abs=0.02)
        planted_words = " ".join(SPEECH[language][subject]).split()
        assert sum(word in planted_words for word in topic.name.replace(",", "").split()) >= 3


def test_the_figures_of_a_topic_equal_a_hand_count(mixed):
    answers, topics = mixed
    assert topics.answers == len(answers)
    assert topics.nps == pytest.approx(100 * ((answers.category == 2).mean() - (answers.category == 0).mean()))
    for topic in (*topics.topics, topics.other):
        own = [c for c, name in zip(answers.category, topics.topic_of, strict=True) if name == topic.name]
        n, bad, good = len(own), own.count(0), own.count(2)
        assert topic.answers == n
        assert topic.share == n / len(answers)
        assert topic.nps == pytest.approx(100 * (good - bad) / n)
        assert topic.difference == pytest.approx(topic.nps - topics.nps)
        # Three more answers: 3/4 detractor, 3/2 passive, 3/4 promoter, and then Wald's interval.
        p, q = (good + 0.75) / (n + 3), (bad + 0.75) / (n + 3)
        margin = 1.959964 * math.sqrt((p + q - (p - q) ** 2) / (n + 3))
        assert (topic.low, topic.high) == pytest.approx((100 * (p - q - margin), 100 * (p - q + margin)), abs=1e-4)
    assert sum(topic.answers for topic in (*topics.topics, topics.other)) == len(answers)
    shares = [topic.share for topic in topics.topics]
    assert shares == sorted(shares, reverse=True)


def test_the_nps_of_a_topic_is_near_that_of_those_who_spoke_of_it(mixed):
    answers, topics = mixed
    for topic in topics.topics:
        truth = answers.truth[topics.topic_of == topic.name].mode()[0]
        own = answers.category[answers.truth == truth]
        assert topic.nps == pytest.approx(100 * ((own == 2).mean() - (own == 0).mean()), abs=5)
        assert topic.stability >= 0.75
        assert 1 <= len(topic.examples) <= 3
        assert all(example in set(answers.comment) for example in topic.examples)


def test_the_order_of_the_answers_changes_nothing(mixed):
    answers, topics = mixed
    order = np.random.default_rng(0).permutation(len(answers))
    again = find_topics(answers.iloc[order])
    pd.testing.assert_frame_equal(again.to_frame(), topics.to_frame(), check_exact=True)
    assert again.topic_of.tolist() == topics.topic_of[order].tolist()


def test_the_table_has_a_row_for_each_topic_and_one_for_the_rest(mixed):
    _, topics = mixed
    frame = topics.to_frame()
    assert frame.topic.tolist() == [*(topic.name for topic in topics.topics), "other"]
    assert frame.answers.sum() == topics.answers
    assert frame.share.sum() == pytest.approx(1)
    assert frame.examples.iloc[-1] == []


@pytest.mark.parametrize("language", ["ru", "en"])
def test_talk_of_nothing_has_no_topics(language):
    topics = find_topics(comments(800, language, seed=5, topics=[]))
    assert topics.topics == ()
    assert "no group of words is a stable topic" in topics.why
    assert topics.other.answers == topics.answers == 800
    assert set(topics.topic_of) == {"other"}
    assert topics.to_frame().empty


def test_too_few_comments_have_no_topics_and_the_limit_is_said():
    answers = comments(FEWEST_TO_LEARN - 1, "ru", seed=6)
    topics = find_topics(answers)
    assert topics.topics == ()
    assert f"at least {FEWEST_TO_LEARN} different comments in one language, and the most are 199" in topics.why
    # The same words again are no new witness.
    assert find_topics(pd.concat([answers] * 5, ignore_index=True)).why == topics.why


def test_what_was_learned_on_a_sample_is_said_of_all(mixed, monkeypatch):
    answers, _ = mixed
    russian = answers.iloc[:600]
    monkeypatch.setattr(comment_topics, "MOST_TO_LEARN", 500)
    topics = find_topics(russian)
    assert len(topics.topics) == 4
    assert topics.answers == len(russian) == 600
    assert adjusted_rand_score(russian.truth, topics.topic_of) > 0.9


def test_no_comments_are_no_error():
    topics = find_topics(pd.DataFrame({"comment": pd.Series(dtype=object), "category": pd.Series(dtype="int64")}))
    assert topics.topics == ()
    assert topics.other is None
    assert math.isnan(topics.nps)
    assert len(topics.topic_of) == 0
    assert topics.to_frame().empty
    assert "the most are 0" in topics.why


def test_personal_data_names_no_topic_and_stands_in_no_example():
    answers = comments(600, "en", seed=7)
    late = answers.comment + " Call +44 7700 900123 or write to jane.doe@mail.example, order 100200300"
    topics = find_topics(answers.assign(comment=late.where(answers.truth == "en delivery", answers.comment)))
    text = topics.to_frame().to_json()
    assert "[number]" in text
    for secret in ("jane", "7700", "100200300", "mail.example"):
        assert secret not in text


def test_comments_of_one_customer_count_as_one_customer_in_the_intervals():
    category = [2, 2, 2, 0, 1, 0]
    answers = pd.DataFrame(
        {"comment": [f"word{k}" for k in range(6)], "category": category, "customer_id": list("aaabcd")}
    )
    other = find_topics(answers).other
    effective = effective_number_of(answers["customer_id"], np.array(category) - 1)
    assert effective < 4
    assert [other.nps, other.low, other.high] == [float(x) for x in nps_interval(2, 1, 3, effective)]
    each = find_topics(answers.assign(customer_id=list("abcdef"))).other
    assert [each.low, each.high] == [float(x) for x in nps_interval(2, 1, 3)[1:]]
