import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from models.segments.topics import model as comment_themes
from models.segments.topics.model import FEWEST_TO_LEARN, find_themes

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


def comments(n, language, seed, themes=None, other=0.25):
    """Comments whose words are drawn one by one, in any order: nothing but the theme makes words come together."""
    generator = np.random.default_rng(seed)
    speech = SPEECH[language]
    names = [*(themes if themes is not None else speech), "other"]
    share = [*[(1 - other) / (len(names) - 1)] * (len(names) - 1), other] if len(names) > 1 else [1.0]
    chatter = CHATTER[language].split()
    rows = []
    for theme in generator.choice(names, n, p=share):
        words = list(generator.choice(chatter, 4 + generator.poisson(3)))
        # Names of goods: many, each rare.
        words += [
            f"{'товар' if language == 'ru' else 'item'}{'абвгдежзик'[int(d)]}" for d in generator.integers(0, 10, 1)
        ]
        if theme != "other":
            named, said = (part.split() for part in speech[theme])
            words += [*generator.choice(named, 1 + generator.poisson(0.5)), *generator.choice(said, 2)]
        generator.shuffle(words)
        is_promoter = generator.random() < PROMOTERS[theme]
        category = 2 if is_promoter else int(generator.integers(0, 2))
        label = "other" if theme == "other" else f"{language} {theme}"
        rows.append({"comment": " ".join(words).capitalize() + ".", "category": category, "truth": label})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def mixed():
    """Comments of a shop where two languages are spoken, and their themes."""
    answers = pd.concat([comments(600, "ru", 1), comments(600, "en", 2)], ignore_index=True)
    return answers, find_themes(answers)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_themes_are_those_that_were_spoken_of(language):
    answers = comments(600, language, seed=3)
    themes = find_themes(answers)
    assert adjusted_rand_score(answers.truth, themes.theme_of) > 0.9
    assert len(themes.themes) == 4
    for theme in themes.themes:
        truth = answers.truth[themes.theme_of == theme.name].mode()[0]
        assert theme.share == pytest.approx((answers.truth == truth).mean(), abs=0.02)
        known = " ".join(SPEECH[language][truth.split()[1]]).split()
        named = theme.name.replace(",", "").split()
        assert sum(word in known for word in named) >= 3
        assert theme.language == language


def test_languages_of_one_shop_keep_their_own_themes(mixed):
    answers, themes = mixed
    assert adjusted_rand_score(answers.truth, themes.theme_of) > 0.9
    assert sorted(theme.language for theme in themes.themes) == ["en"] * 4 + ["ru"] * 4


def test_the_figures_of_a_theme_equal_a_hand_count(mixed):
    answers, themes = mixed
    assert themes.answers == len(answers)
    assert themes.nps == pytest.approx(100 * ((answers.category == 2).mean() - (answers.category == 0).mean()))
    for theme in (*themes.themes, themes.other):
        own = [c for c, name in zip(answers.category, themes.theme_of, strict=True) if name == theme.name]
        n, bad, good = len(own), own.count(0), own.count(2)
        assert theme.answers == n
        assert theme.share == n / len(answers)
        assert theme.nps == pytest.approx(100 * (good - bad) / n)
        assert theme.difference == pytest.approx(theme.nps - themes.nps)
        # Three more answers: 3/4 detractor, 3/2 passive, 3/4 promoter, and then Wald's interval.
        p, q = (good + 0.75) / (n + 3), (bad + 0.75) / (n + 3)
        reach = 1.959964 * math.sqrt((p + q - (p - q) ** 2) / (n + 3))
        assert (theme.low, theme.high) == pytest.approx((100 * (p - q - reach), 100 * (p - q + reach)), abs=1e-4)
    assert sum(theme.answers for theme in (*themes.themes, themes.other)) == len(answers)
    shares = [theme.share for theme in themes.themes]
    assert shares == sorted(shares, reverse=True)


def test_the_nps_of_a_theme_is_near_that_of_those_who_spoke_of_it(mixed):
    answers, themes = mixed
    for theme in themes.themes:
        truth = answers.truth[themes.theme_of == theme.name].mode()[0]
        own = answers.category[answers.truth == truth]
        assert theme.nps == pytest.approx(100 * ((own == 2).mean() - (own == 0).mean()), abs=5)
        assert theme.stability >= 0.75
        assert 1 <= len(theme.examples) <= 3
        assert all(example in set(answers.comment) for example in theme.examples)


def test_the_order_of_the_answers_changes_nothing(mixed):
    answers, themes = mixed
    order = np.random.default_rng(0).permutation(len(answers))
    again = find_themes(answers.iloc[order])
    pd.testing.assert_frame_equal(again.to_frame(), themes.to_frame(), check_exact=True)
    assert again.theme_of.tolist() == themes.theme_of[order].tolist()


def test_the_table_has_a_row_for_each_theme_and_one_for_the_rest(mixed):
    _, themes = mixed
    frame = themes.to_frame()
    assert frame.theme.tolist() == [*(theme.name for theme in themes.themes), "other"]
    assert frame.answers.sum() == themes.answers
    assert frame.share.sum() == pytest.approx(1)
    assert frame.examples.iloc[-1] == []


@pytest.mark.parametrize("language", ["ru", "en"])
def test_talk_of_nothing_has_no_themes(language):
    themes = find_themes(comments(800, language, seed=5, themes=[]))
    assert themes.themes == ()
    assert "no group of words stays a theme" in themes.why
    assert themes.other.answers == themes.answers == 800
    assert set(themes.theme_of) == {"other"}
    assert themes.to_frame().empty


def test_too_few_comments_have_no_themes_and_the_limit_is_said():
    answers = comments(FEWEST_TO_LEARN - 1, "ru", seed=6)
    themes = find_themes(answers)
    assert themes.themes == ()
    assert f"at least {FEWEST_TO_LEARN} different comments in one language, and the most are 199" in themes.why
    # The same words again are no new witness.
    assert find_themes(pd.concat([answers] * 5, ignore_index=True)).why == themes.why


def test_what_was_learned_on_a_sample_is_said_of_all(mixed, monkeypatch):
    answers, _ = mixed
    russian = answers.iloc[:600]
    monkeypatch.setattr(comment_themes, "MOST_TO_LEARN", 500)
    themes = find_themes(russian)
    assert len(themes.themes) == 4
    assert themes.answers == len(russian) == 600
    assert adjusted_rand_score(russian.truth, themes.theme_of) > 0.9


def test_no_comments_are_no_error():
    themes = find_themes(pd.DataFrame({"comment": pd.Series(dtype=object), "category": pd.Series(dtype="int64")}))
    assert themes.themes == ()
    assert themes.other is None
    assert math.isnan(themes.nps)
    assert len(themes.theme_of) == 0
    assert themes.to_frame().empty
    assert "the most are 0" in themes.why


def test_personal_data_names_no_theme_and_stands_in_no_example():
    answers = comments(600, "en", seed=7)
    late = answers.comment + " Call +44 7700 900123 or write to jane.doe@mail.example, order 100200300"
    themes = find_themes(answers.assign(comment=late.where(answers.truth == "en delivery", answers.comment)))
    text = themes.to_frame().to_json()
    assert "[number]" in text
    for secret in ("jane", "7700", "100200300", "mail.example"):
        assert secret not in text
