"""What looking back decides before a retraining: each setting, and a history too short to look back on."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from flows.settings import Settings
from flows.steps.inputs import open_inputs, read_inputs
from flows.steps.recipe_choice import decide
from models.purchases.fit import MODEL_NAMES, fit_purchases_at
from models.recipe import Recipe
from models.release.holdout import sampled_tables
from models.release.rolling import backtest_at, choose_purchase_model, rolling_cutoffs
from models.release.season_gate import add_season, judge_season

RECIPE = Recipe(horizon=90)


@pytest.fixture(scope="module")
def inputs(shop, tmp_path_factory):
    settings = Settings(transactions=[str(shop["transactions"])], events=[str(shop["events"])])
    return open_inputs(read_inputs(settings, tmp_path_factory.mktemp("clean")), settings)


def test_what_is_named_is_taken_and_nothing_is_looked_back_on(inputs):
    decision = decide(Settings(purchase_model="mbg_nbd", season="off", second_stage="off"), inputs, RECIPE)
    assert decision.recipe == Recipe(horizon=90, purchase_model="mbg_nbd", second_stage=False)
    assert decision.sentences == ()


def test_the_backtest_decides_and_says_why(inputs):
    decision = decide(Settings(purchase_model="auto"), inputs, RECIPE)
    cutoffs = rolling_cutoffs(inputs.intake.first_day, inputs.as_of, 90, 2)
    results = [backtest_at(inputs.tables, cutoff, RECIPE, with_second_stage=False) for cutoff in cutoffs]
    chosen, why = choose_purchase_model(results)
    recipe = Recipe(horizon=90, purchase_model=chosen)
    season = judge_season(inputs.tables, inputs.as_of, recipe, [add_season(inputs.tables, r, recipe) for r in results])
    assert not season.used
    # What the second stage counts is a number, learned in its training: here it is only switched on.
    assert decision.recipe == replace(recipe, second_stage=True)
    assert decision.sentences == (f"Purchase model: {MODEL_NAMES[chosen]}; {why}.", season.why)


def test_a_large_base_is_judged_by_a_sample_of_it(inputs, monkeypatch):
    cutoffs = rolling_cutoffs(inputs.intake.first_day, inputs.as_of, 90, 2)
    result = backtest_at(inputs.tables, cutoffs[0], RECIPE, with_second_stage=False)
    monkeypatch.setattr("models.release.holdout.LARGEST_SAMPLE", len(result.customers) // 3)
    judged = sampled_tables(inputs.tables, cutoffs[0], RECIPE)
    sample = backtest_at(inputs.tables, cutoffs[0], RECIPE, False, judged)
    assert 0.15 < len(sample.customers) / len(result.customers) < 0.35
    rows = result.customers.set_index("customer_id").loc[sample.customers["customer_id"]]
    pd.testing.assert_frame_equal(rows, sample.customers.set_index("customer_id"))
    for name, fit in result.fits.items():
        assert sample.fits[name].purchases == fit.purchases
    # The twin's fits are there at the newest cutoff; further back the sample is also what is learned from.
    learned_from = (inputs.tables, judged)
    results = [
        backtest_at(each, cutoff, RECIPE, False, judged) for each, cutoff in zip(learned_from, cutoffs, strict=True)
    ]
    decision = decide(Settings(purchase_model="auto"), inputs, RECIPE)
    assert f"over {sum(len(each.customers) for each in results):,} predictions at 2 cutoffs" in decision.sentences[0]
    assert choose_purchase_model(results)[1] in decision.sentences[0]


def test_a_short_history_decides_nothing_and_says_so(inputs):
    decision = decide(Settings(purchase_model="auto"), inputs, Recipe(horizon=400))
    sentence, chosen = decision.sentences
    undecided = "the purchase model and the season"
    assert sentence.startswith(f"The backtest cannot decide on {undecided}: a backtest over")
    fits = {model: fit_purchases_at(inputs.tables, inputs.as_of, model) for model in MODEL_NAMES}
    likelier = max(fits, key=lambda model: fits[model].log_likelihood_per_customer)
    assert decision.recipe == Recipe(horizon=400, purchase_model=likelier, second_stage=True)
    assert chosen.startswith(f"Purchase model: {MODEL_NAMES[likelier]}; the log-likelihood of")


def test_subscribers_are_told_that_auto_would_serve_better(tmp_path):
    rng, lines = np.random.default_rng(1), ["customer_id,ts,amount"]
    for customer in range(150):
        for number in range(min(rng.geometric(0.15), 12)):
            day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(customer + 30 * number + rng.integers(0, 2)))
            lines.append(f"c{customer},{day:%F},20")
    (tmp_path / "subscriptions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    off = {"season": "off", "second_stage": "off"}
    named = Settings(transactions=[str(tmp_path / "subscriptions.csv")], purchase_model="bg_nbd", **off)
    inputs = open_inputs(read_inputs(named, tmp_path / "clean"), named)
    decision = decide(named, inputs, RECIPE)
    regular, better = decision.sentences
    assert regular.startswith("Customers buy at regular times, as subscribers do: a customer's gaps vary by ")
    result = backtest_at(inputs.tables, inputs.as_of - timedelta(days=90), RECIPE, with_second_stage=False)
    chosen, why = choose_purchase_model([result])
    assert chosen == "mbg_nbd"
    assert better == (f'Purchase model: BG/NBD, as set; purchase_model = "auto" would take MBG/NBD: {why}.')
    assert decision.recipe.purchase_model == "bg_nbd"
    told = decide(named.model_copy(update={"purchase_model": "auto"}), inputs, RECIPE)
    assert told.sentences[0] == regular
    assert told.sentences[1].startswith("Purchase model: MBG/NBD; ")
