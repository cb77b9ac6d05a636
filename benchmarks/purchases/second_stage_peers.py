"""Peers of the second stage, trained on one past cut, and lifetimes' BG/NBD."""

from collections.abc import Sequence

import lifetimes
import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.purchases.second_stage.logistic import FEATURES
from models.scoring.bg_nbd import p_purchase
from models.scoring.parameters import PurchaseParameters
from models.scoring.second_stage.correction import log_scale
from models.scoring.second_stage.first import Offsets, second_stage_matrix

Floats = npt.NDArray[np.float64]
ALONE, LOGISTIC, LIGHTGBM = "second stage alone", "logistic", "LightGBM"
PEERS = (ALONE, LOGISTIC, LIGHTGBM)
_SETTINGS = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 8,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "num_threads": 1,
    "verbosity": -1,
    "seed": 0,
}
_MOST_TREES, _PATIENCE = 600, 20


def predict_by_peers(
    then: pd.DataFrame, first_then: pd.DataFrame, now: pd.DataFrame, first: pd.DataFrame, names: Sequence[str]
) -> dict[str, Floats]:
    """Train each peer on a past cut and predict p_purchase now; the first stage is row for row beside each."""
    y = (then["purchases"].to_numpy(float) > 0).astype(float)
    odds_then, odds = Offsets.of(first_then).buys, Offsets.of(first).buys
    X_then, X = second_stage_matrix(first_then, then, names), second_stage_matrix(first, now, names)
    regression = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    regression.fit(log_scale(odds_then, then, FEATURES), y)
    return {
        ALONE: expit(odds + _raw(X_then, y, X, odds_then)),
        LOGISTIC: regression.predict_proba(log_scale(odds, now, FEATURES))[:, 1],
        LIGHTGBM: expit(_raw(X_then, y, X)),
    }


def _raw(X_then: Floats, y: Floats, X: Floats, offset: Floats | None = None) -> Floats:
    def data() -> lightgbm.Dataset:
        return lightgbm.Dataset(X_then, y, init_score=offset)

    validated = lightgbm.cv(
        _SETTINGS,
        data(),
        _MOST_TREES,
        nfold=5,
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )
    trees = len(validated["valid binary_logloss-mean"])
    return np.asarray(lightgbm.train(_SETTINGS, data(), trees).predict(X, raw_score=True))


def bg_nbd_of_lifetimes(customers: pd.DataFrame, horizon: int) -> Floats:
    """Fit lifetimes' BG/NBD and give the probability of a purchase in the horizon; NaN where it does not converge."""
    x, t_x, T = (customers[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    try:
        fitter = lifetimes.BetaGeoFitter(penalizer_coef=0.0).fit(x, t_x, T)
    except lifetimes.utils.ConvergenceError:
        return np.full(len(customers), np.nan)
    r, alpha, a, b = (float(fitter.params_[name]) for name in ("r", "alpha", "a", "b"))
    # lifetimes gives P(alive) only; the rest of the probability is the formula of its model.
    return p_purchase(float(horizon), x, t_x, T, PurchaseParameters(r, alpha, a, b, 0))
