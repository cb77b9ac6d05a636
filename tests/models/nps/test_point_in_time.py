"""Three leaks are planted in four shops: the product does not use them, a naive pipeline does.

They are what follows an answer (a refund), what is born of it (a flag), and the same customer in two folds.
Cross-validation that leaks promises an AUC that it does not keep among customers who were never asked before. Here they
are asked, after as_of, and the product's promise holds. Before and after as_of the shops are alike, so that nothing
but a leak, and chance, makes a difference.
"""

from dataclasses import replace
from datetime import date, timedelta

import lightgbm
import numpy as np
import pandas as pd
import pytest

from data.simulation.answers import NPS_SHARES, draw_points
from features.describe import describe, feature_names, materialise
from features.spine import everyone
from features.vocabulary import learn_vocabulary
from models.nps.model import predict_nps_category, train_nps_category
from models.nps.point_in_time import answers_with_features
from models.stats import metrics
from models.stats.folds import customer_folds

START, AS_OF, END = (date(2024, 1, 1) + timedelta(days=day) for day in (0, 300, 600))
# Customers of each shop who are asked before as_of, and others who are asked after it.
SHOPS, PANEL, LATER = 4, 500, 600
# Days after joining on which customers are asked. A customer who answers twice has hardly changed in between.
ASKED_AFTER = (100, 110, 120, 130, 140, 150)


def moments(rng, rate, joined):
    """Times of a Poisson process of each customer in the first 165 days; the customers' positions and the days."""
    who = np.repeat(np.arange(len(rate)), rng.poisson(165 * rate))
    return who, joined[who] + 165 * rng.random(len(who))


def stamps(days):
    return pd.Timestamp(START) + pd.to_timedelta(np.round(days * 86_400), unit="s")


def draw_shops():
    """Clean shops as frames. Shop k has the customers whose position is k modulo SHOPS."""
    rng = np.random.default_rng(20)
    n = SHOPS * (PANEL + LATER)
    is_later = np.arange(n) >= SHOPS * PANEL
    joined = np.where(is_later, (AS_OF - START).days - 80, 0) + 110 * rng.random(n)
    satisfaction = rng.normal(size=n)
    ids = np.array([f"{position % SHOPS}-{position:05d}" for position in range(n)])

    who, day = moments(rng, rng.gamma(2, 0.01, n), joined)
    who, day = np.concatenate([np.arange(n), who]), np.concatenate([joined, day])
    transactions = pd.DataFrame({"customer_id": ids[who], "ts": stamps(day)})
    transactions["amount"] = np.round(rng.gamma(3, 10, len(who)), 2)

    events = []
    for kind, effect in (("support_contact", -0.7), ("delivered", -0.3), ("visit", 0.2), ("call", 0.0)):
        who, day = moments(rng, 0.02 * np.exp(effect * satisfaction + 0.6 * rng.normal(size=n)), joined)
        value = 5 - 1.5 * satisfaction[who] + 6 * rng.normal(size=len(who)) if kind == "delivered" else np.nan
        events.append(pd.DataFrame({"customer_id": ids[who], "ts": stamps(day), "kind": kind, "value": value}))

    asked = rng.random((n, len(ASKED_AFTER))) < 0.1
    asked[np.arange(n), rng.integers(0, len(ASKED_AFTER), n)] = True
    who, wave = np.nonzero(asked)
    invited = np.floor(joined[who] + np.array(ASKED_AFTER)[wave]) + 10 / 24
    answers = pd.DataFrame({"customer_id": ids[who], "invited_at": stamps(invited)})
    answers["answered_at"] = stamps(invited + rng.exponential(2, len(who)))
    # Of half of the customers only the time of the answer is known.
    answers["invited_at"] = answers["invited_at"].where(who // SHOPS % 2 == 0)
    answers["score"] = draw_points(satisfaction[who], rng.normal(size=len(who)), 0.8, NPS_SHARES)
    customers = pd.DataFrame({"customer_id": ids, "valid_from": stamps(joined), "mood": "unknown"})
    return {"transactions": transactions, "events": pd.concat(events), "answers": answers, "customers": customers}


def plant(frames):
    """Add what follows the last answer that each customer gave before as_of."""
    answers = frames["answers"]
    answered_before = answers[answers["answered_at"] < pd.Timestamp(AS_OF) - pd.Timedelta(days=2)]
    last = answered_before.sort_values("answered_at").groupby("customer_id").tail(1)
    is_low, minute, day = last["score"] <= 6, pd.Timedelta(minutes=1), pd.Timedelta(days=1)
    rng = np.random.default_rng(0)
    refunded = last[is_low ^ (rng.random(len(last)) < 0.1)]

    def event(kind, rows, ts, available_at, value=np.nan):
        columns = {"kind": kind, "ts": ts, "available_at": available_at, "value": value}
        return pd.DataFrame({"customer_id": rows["customer_id"]}).assign(**columns)

    at = refunded["answered_at"]
    planted = [
        event("refund", refunded, at + day, at + day),
        # Dated before the invitation, and known only after the answer.
        event("refund", refunded, at - 20 * day, at + day),
        # What the answer itself says, at its very time.
        event("answer_flag", last, last["answered_at"], last["answered_at"], last["score"]),
    ]
    mood = pd.DataFrame({"customer_id": last["customer_id"], "valid_from": last["answered_at"] + minute})
    mood["mood"] = np.where(is_low, "angry", "happy")
    return frames | {
        "events": pd.concat([frames["events"], *planted]),
        "customers": pd.concat([frames["customers"], mood]),
    }


@pytest.fixture(scope="module")
def clean_and_planted(take_frames):
    frames = draw_shops()
    frames["events"]["available_at"] = frames["events"]["ts"]
    return take_frames(**frames), take_frames(**plant(frames))


@pytest.fixture(scope="module")
def planted(clean_and_planted):
    return clean_and_planted[1]


@pytest.fixture(scope="module")
def vocabulary(planted):
    """It names the planted columns: some of their rows are seen by as_of."""
    return learn_vocabulary(planted, AS_OF, ("mood",))


def described_answers(tables, vocabulary):
    """Answers to train on, and answers of others that were asked after as_of; each as the product describes them."""
    trained = answers_with_features(tables, "nps", vocabulary, before=AS_OF)
    live = answers_with_features(tables, "nps", vocabulary, before=END, since=AS_OF)
    return trained, live[live["as_of"] >= pd.Timestamp(AS_OF)]


@pytest.fixture(scope="module")
def answers(planted, vocabulary):
    return described_answers(planted, vocabulary)


def of_shop(frame, shop):
    return frame[frame["customer_id"].str.startswith(f"{shop}-")].reset_index(drop=True)


def auc_of_folds(flag, score, fold):
    """Mean over the folds: pooled scores of models that differ would rank too low (Forman & Scholz 2010)."""
    return np.mean([metrics.auc(flag[fold == k], score[fold == k]) for k in np.unique(fold)])


def promised_and_kept(trained, live, names):
    """AUC of detractors and promoters, cross-validated and live: two arrays (shops, 2)."""
    promised, kept = np.empty((2, SHOPS, 2))
    for shop in range(SHOPS):
        mine, later = of_shop(trained, shop), of_shop(live, shop)
        level, day = mine["score"].to_numpy(), mine["as_of"]
        # As `models.nps.point_in_time.train_on_answers` does.
        training = train_nps_category(mine[names], mine["category"], mine["customer_id"], level=level, day=day)
        p = predict_nps_category(training.model, later[names])
        assert mine.groupby(training.fold)["customer_id"].nunique().sum() == mine["customer_id"].nunique()
        for column, k in enumerate((0, 2)):
            promised[shop, column] = auc_of_folds(mine["category"] == k, training.out_of_fold[:, k], training.fold)
            kept[shop, column] = metrics.auc(later["category"] == k, p[:, k])
    return promised, kept


def naively_promised(trained, names, fold, shops):
    """AUC of detractors by trees with the settings they come with, cross-validated on `fold` of each shop: (shops,)."""
    promised = np.empty(shops)
    for shop in range(shops):
        mine = of_shop(trained, shop)
        fold_of_row = fold(mine)
        X, y, score = mine[names].to_numpy(), (mine["category"] == 0).to_numpy(), np.empty(len(mine))
        for k in range(5):
            held_out = fold_of_row == k
            score[held_out] = naive_trees(X[~held_out], y[~held_out]).predict(X[held_out])
        promised[shop] = auc_of_folds(y, score, fold_of_row)
    return promised


def naively_kept(trained, live, names, shops):
    """AUC of detractors by the same trees, trained on all answers, among customers asked later: (shops,)."""
    kept = np.empty(shops)
    for shop in range(shops):
        mine, later = of_shop(trained, shop), of_shop(live, shop)
        trees = naive_trees(mine[names].to_numpy(), (mine["category"] == 0).to_numpy())
        kept[shop] = metrics.auc(later["category"] == 0, trees.predict(later[names].to_numpy()))
    return kept


def folds_of_customers(answers):
    return customer_folds(answers["customer_id"].to_numpy(str), 0)


def folds_of_answers(answers):
    return customer_folds(np.arange(len(answers)).astype(str), 0)


def naive_trees(X, y):
    return lightgbm.train({"objective": "binary", "num_threads": 1, "verbosity": -1}, lightgbm.Dataset(X, y), 50)


def test_cross_validated_and_live_auc_agree_though_three_leaks_are_planted(answers, vocabulary):
    promised, kept = promised_and_kept(*answers, feature_names(vocabulary))
    assert promised.mean() > 0.7
    # The standard error of a mean over four shops is .017; a leak adds .1 (below).
    assert np.abs((promised - kept).mean(axis=0)).max() < 0.04


def test_what_follows_an_answer_leaves_every_feature_bit_identical(clean_and_planted, answers, vocabulary):
    for with_plants, without in zip(answers, described_answers(clean_and_planted[0], vocabulary), strict=True):
        pd.testing.assert_frame_equal(with_plants, without, check_exact=True)


@pytest.fixture(scope="module")
def as_of_the_end(planted, answers, vocabulary):
    """The answers to train on beside features as they are at as_of: what a naive pipeline joins."""
    now = materialise(describe(planted, everyone(planted.transactions, AS_OF), vocabulary))
    trained = answers[0][["customer_id", "as_of", "score", "category"]]
    return trained.merge(now.drop(columns="as_of"), on="customer_id")


@pytest.mark.parametrize("leak", ["refund", "flag"])
def test_features_of_the_end_would_promise_what_they_do_not_keep(leak, as_of_the_end, answers, vocabulary):
    other = {"refund": ("answer_flag", "mood"), "flag": ("refund",)}[leak]
    names = [name for name in feature_names(vocabulary) if not any(word in name for word in other)]
    promised = naively_promised(as_of_the_end, names, folds_of_customers, shops=3)
    assert (promised - naively_kept(as_of_the_end, answers[1], names, shops=3)).mean() > 0.1


def test_folds_that_part_the_answers_of_a_customer_promise_more(answers, vocabulary):
    trained, names = answers[0], feature_names(vocabulary)
    parted = naively_promised(trained, names, folds_of_answers, shops=3)
    together = naively_promised(trained, names, folds_of_customers, shops=3)
    # The same trees and answers, so that the difference has little noise: it is there in each shop.
    assert (parted - together).min() > 0.01


def test_answers_that_were_described_for_a_later_date_serve_an_earlier_one(planted, vocabulary, answers, monkeypatch):
    cut = AS_OF - timedelta(days=60)
    asked = {"before": cut}, {"before": AS_OF, "since": cut}
    anew = [answers_with_features(replace(planted), "nps", vocabulary, **dates) for dates in asked]
    assert len(anew[0]) + len(anew[1]) == len(answers[0]) and min(map(len, anew)) > 100
    monkeypatch.setattr("models.nps.point_in_time.described_beside", None)
    for expected, dates in zip(anew, asked, strict=True):
        pd.testing.assert_frame_equal(answers_with_features(planted, "nps", vocabulary, **dates), expected)
