"""The steps of a scoring, as plain functions: choose the scorer, describe, predict, explain, assemble."""

import tempfile
from dataclasses import dataclass

import mlflow
import pandas as pd
import pyarrow as pa

from data.errors import InputError
from features.describe import describe, materialise
from features.spine import everyone
from flows.inputs import Inputs, input_digest
from flows.progress import step
from flows.settings import Settings
from models.assembly import assemble_scores, scores_at, scores_table
from models.call_list import base_rates, call_list, explain
from models.drift import Drift, measure_drift
from models.publication import as_of_before
from models.registry import SCORER, Registered, read_champion, read_scorer
from models.release import Release
from models.store import Store


@dataclass(frozen=True)
class Scored:
    """What a scoring made: the table to publish, the customers most worth a call, and the drift of the scorer's fit.

    ``without_behaviour`` says how many customers the second stage knows too little of: they keep the first stage.
    """

    table: pa.Table
    calls: pd.DataFrame
    drift: Drift
    without_behaviour: int


def choose_scorer(store: Store, settings: Settings) -> Registered:
    """Take the version named, else the champion.

    Raises
    ------
    InputError
        Where there is none, or its horizon is not the one asked for.
    """
    chosen = read_scorer(store, settings.scorer) if settings.scorer else read_champion(store)
    if chosen is None:
        raise InputError(f"there is no champion in {store.shown_uri} to score with; run `revealed retrain` first")
    chosen.check_format()
    horizon = chosen.release.parameters["horizon"]
    if settings.horizon not in (None, horizon):
        raise InputError(
            f"horizon is {settings.horizon} days, but scorer {chosen.version} was fitted for {horizon}: horizons "
            f"belong to the scorer. Leave out --horizon, or run `revealed retrain --horizon {settings.horizon}`."
        )
    return chosen


def score_base(store: Store, inputs: Inputs, chosen: Registered, run_id: str) -> Scored:
    """Describe and score everyone with a purchase before as_of.

    Parameters
    ----------
    store : Store
        Holds the scorer and the current scores.
    inputs : Inputs
        The checked tables and the day.
    chosen : Registered
        The scorer's version.
    run_id : str
        The scoring run.

    Raises
    ------
    InputError
        Where the data's currency is not the scorer's.
    """
    _check_currency(inputs, chosen)
    release, as_of = chosen.release, inputs.as_of
    with step(f"describe everyone as of {as_of}"):
        spine = everyone(inputs.tables.transactions, as_of)
        described = materialise(describe(inputs.tables, spine, release.vocabulary))
    with step(f"score {len(described):,} customers with scorer {chosen.version}"):
        predicted = predict(chosen.version, described)
        day_before = as_of_before(store, as_of)
        before = None if day_before is None else scores_at(inputs.tables, day_before, release)
        scores = assemble_scores(described, predicted, release, before)
    with step("find whom to call, and why"):
        calls = call_list(scores, release)
        calls["reasons"] = explain(calls, described, release, base_rates(scores))
        scores["reasons"] = (
            calls["reasons"].reindex(scores.index).astype(object).where(lambda texts: texts.notna(), None)
        )
    with step("look whether a retrain is due"):
        purchases, horizon = release.scorer().purchases, release.parameters["horizon"]
        drift = measure_drift(inputs.tables, as_of, purchases, release.training_fit, horizon)
    currency = release.parameters["currency"] or inputs.intake.currency or ""
    said = {"run_id": run_id, "input_digest": input_digest(inputs.intake), "currency": currency}
    return Scored(
        scores_table(scores, release, chosen.version, as_of, said), calls, drift, _lacking(release, described)
    )


def _lacking(release: Release, described: pd.DataFrame) -> int:
    """Count the customers who lack what the second stage knew of everybody it learned from."""
    needed = (release.parameters.get("second_stage") or {}).get("needed", [])
    return int(described.reindex(columns=needed).isna().any(axis=1).sum())


def predict(version: int, described: pd.DataFrame) -> pd.DataFrame:
    """Score features with the scorer as it is registered: the same code and parameters a consumer loads."""
    with tempfile.TemporaryDirectory() as folder:
        model = mlflow.pyfunc.load_model(f"models:/{SCORER}/{version}", dst_path=folder)
        wanted = model.metadata.get_input_schema().input_names()
        return pd.DataFrame(model.predict(described.reindex(columns=wanted).astype("float64")))


def _check_currency(inputs: Inputs, chosen: Registered) -> None:
    fitted, found = chosen.release.parameters["currency"], inputs.intake.currency
    if fitted and found and fitted != found:
        raise InputError(
            f"the amounts are in {found}, but scorer {chosen.version} was fitted on {fitted}; retrain first"
        )
