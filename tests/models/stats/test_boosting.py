import lightgbm
import numpy as np
import pytest

from models.stats.boosting import ONE_BY_ONE

_SETTINGS = {
    "num_leaves": 8,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "seed": 7,
    "verbosity": -1,
}


@pytest.mark.parametrize("objective", ["binary", "poisson", "tweedie", "regression"])
def test_trees_are_the_same_however_columns_are_kept(objective):
    random = np.random.default_rng(3)
    X = random.gamma(1.0, 20.0, (3000, 24)).round(1)
    # Columns of all kinds: mostly zero, mostly missing, and flags of which at most one is set.
    X[random.random(X.shape) < np.linspace(0.0, 0.99, 24)] = 0.0
    X[random.random(3000) < 0.6, 5:9] = np.nan
    X[:, 18:] = np.eye(9)[random.integers(0, 9, 3000)][:, :6]
    y = (X[:, 0] + 30.0 * X[:, 19] + random.gamma(1.0, 20.0, 3000) > 40.0).astype(float)

    def grown(more: dict) -> str:
        data = lightgbm.Dataset(X, y, params=(settings := {**_SETTINGS, "objective": objective, **more}))
        return lightgbm.train(settings, data, num_boost_round=15).model_to_string()

    together, one_by_one = grown({}), grown(ONE_BY_ONE)
    assert "[enable_bundle: 0]" in one_by_one and "[is_enable_sparse: 0]" in one_by_one
    assert one_by_one.partition("\nparameters:")[0] == together.partition("\nparameters:")[0]
    assert "num_leaves=8" in one_by_one
