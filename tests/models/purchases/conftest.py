"""The second stage of the shop whose late deliveries drive customers away, trained once a session."""

from datetime import timedelta

import pandas as pd
import pytest

from data.intake.pipeline import Source, take_in
from data.simulation.shop import write_shop
from features.describe import describe, materialise
from features.outcomes import outcomes
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import open_tables
from models.purchases.fit import fit_purchase_models
from models.purchases.second_stage.training import SecondStage, train_second_stage
from models.release.release import stored_and_read
from models.scoring.scorer import Scorer
from tests.models.purchases.second_stage_shop import CUTOFF, DAYS, RECIPE, START, AtCutoff, Shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Shop:
    folder = tmp_path_factory.mktemp("driven")
    files = write_shop(folder / "raw", 3000, seed=5, days=DAYS, start=START)
    names = ("transactions", "events")
    take_in({name: Source((str(files[name]),)) for name in names}, folder / "clean")
    return Shop({name: pd.read_parquet(files[name]) for name in names}, open_tables(folder / "clean"))


@pytest.fixture(scope="session")
def stage(shop) -> SecondStage:
    return train_second_stage(shop.tables, CUTOFF, RECIPE)


@pytest.fixture(scope="session")
def at_cutoff(shop, stage) -> AtCutoff:
    spine = everyone(shop.tables.transactions, CUTOFF)
    described = materialise(describe(shop.tables, spine, stage.vocabulary))
    fit = fit_purchase_models(summarise_purchases(shop.tables.transactions, spine), "bg_nbd")
    realised = materialise(outcomes(shop.tables.transactions, spine, 90, CUTOFF + timedelta(days=90)))
    return AtCutoff(described, fit, fit.predict(described, 90), realised)


@pytest.fixture(scope="session")
def scorer(stage, at_cutoff, a_scorer) -> Scorer:
    fit, trained = at_cutoff.fit, stage.parameters
    parameters = a_scorer(purchases=fit.purchases, spend=fit.spend, uncertainty=fit.uncertainty, second_stage=trained)
    return Scorer(stored_and_read(parameters), stage.boosters)
