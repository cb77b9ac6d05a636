"""What looking back decides before a retraining: each setting, and a history too short to look back on."""

import pytest

from flows.settings import Settings
from flows.steps.inputs import open_inputs, read_inputs
from flows.steps.recipe_choice import decide
from models.purchases.fit import MODEL_NAMES
from models.purchases.second_stage_gate import judge_second_stage
from models.recipe import Recipe
from models.release.rolling import choose_purchase_model, rolling_cutoffs

RECIPE = Recipe(horizon=90)


@pytest.fixture(scope="module")
def inputs(shop, tmp_path_factory):
    settings = Settings(transactions=[str(shop["transactions"])], events=[str(shop["events"])])
    return open_inputs(read_inputs(settings, tmp_path_factory.mktemp("clean")), settings)


def test_what_is_named_is_taken_and_nothing_is_looked_back_on(inputs):
    decision = decide(Settings(purchase_model="mbg_nbd", second_stage="off"), inputs, RECIPE)
    assert decision.recipe == Recipe(horizon=90, purchase_model="mbg_nbd", second_stage=False)
    assert (decision.sentences, decision.stage) == ((), None)


def test_the_backtest_decides_and_says_why(inputs, monkeypatch):
    calls = []

    def judge(results, first):
        calls.append((results, first))
        return judge_second_stage(results, first)

    monkeypatch.setattr("flows.steps.recipe_choice.judge_second_stage", judge)
    decision = decide(Settings(purchase_model="auto"), inputs, RECIPE)
    [(results, first)] = calls
    assert [result.cutoff for result in results] == rolling_cutoffs(inputs.intake.first_day, inputs.as_of, 90, 2)
    chosen, why = choose_purchase_model(results)
    verdict = judge_second_stage(results, MODEL_NAMES[chosen])
    assert first == MODEL_NAMES[chosen]
    assert verdict.metrics["cutoffs"] == 2
    assert decision.recipe == Recipe(horizon=90, purchase_model=chosen, second_stage=verdict.used)
    assert decision.stage == verdict
    assert decision.sentences == (f"Purchase model: {MODEL_NAMES[chosen]}; {why}.", verdict.why)


def test_a_short_history_decides_nothing_and_says_so(inputs):
    decision = decide(Settings(purchase_model="auto"), inputs, Recipe(horizon=400))
    assert decision.recipe == Recipe(horizon=400)
    (sentence,) = decision.sentences
    assert sentence.startswith("The backtest cannot decide on the purchase model and the second stage: a backtest over")
