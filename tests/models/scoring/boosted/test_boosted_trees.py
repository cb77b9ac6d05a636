"""Trees are read as LightGBM reads them, for any tree and any value, whatever rows stand beside a row."""

import lightgbm
import numpy as np
import pytest

from models.scoring.boosted import trees
from models.scoring.boosted.trees import Trees

SETTINGS = {"verbosity": -1, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 1, "learning_rate": 0.3}


def grown(X, y, rounds=12, **settings) -> str:
    return lightgbm.train(SETTINGS | settings, lightgbm.Dataset(X, y), rounds).model_to_string()


def whole_numbers(rng, rows, missing, largest=9):
    """Values of both signs, many of them next to a threshold, some of them missing."""
    X = rng.integers(-3, largest, size=(rows, 6)).astype(float)
    X[rng.random(X.shape) < missing] = np.nan
    return X


@pytest.mark.parametrize("objective", ["regression", "binary", "poisson"])
@pytest.mark.parametrize(("leaves", "missing"), [(2, 0.2), (4, 0.2), (4, 0.0), (9, 0.2), (31, 0.2)])
def test_scores_are_those_of_lightgbm(rng, objective, leaves, missing):
    X = whole_numbers(rng, 1500, missing, 9 * leaves)
    y = (np.nansum(X[:, :3] * [1.0, -2.0, 0.5], axis=1) + rng.normal(size=len(X)) > 0).astype(float)
    text = grown(X, y, objective=objective, num_leaves=leaves)
    assert max(tree.values.size for tree in trees.read_trees(text)) > 0.7 * leaves
    # Missing values where the training had none, and values beyond all thresholds.
    seen = np.vstack(
        [whole_numbers(rng, 500, 0.3, 9 * leaves), np.full((1, 6), np.nan), np.full((1, 6), 1e30), np.zeros((1, 6))]
    )
    expected = lightgbm.Booster(model_str=text).predict(seen, raw_score=True)
    np.testing.assert_allclose(Trees(text).raw_scores(seen), expected, rtol=1e-13, atol=1e-13)


def test_a_tree_may_have_more_leaves_than_a_byte_counts(rng):
    X, y = rng.normal(size=(1500, 3)), rng.normal(size=1500)
    text = grown(X, y, 2, objective="regression", num_leaves=400)
    assert next(trees.read_trees(text)).values.size == 400
    expected = lightgbm.Booster(model_str=text).predict(X, raw_score=True)
    np.testing.assert_allclose(Trees(text).raw_scores(X), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("limit", "most"), [("BLOCK_ROWS", 7), ("_ANSWERS", 300)])
def test_a_score_depends_neither_on_the_rows_beside_it_nor_on_how_they_lie_in_memory(rng, monkeypatch, limit, most):
    X = whole_numbers(rng, 400, 0.2)
    of_text = Trees(grown(X, X[:, 0] > 2, objective="binary", num_leaves=9))
    scores = of_text.raw_scores(X)
    assert np.ptp(scores) > 1
    monkeypatch.setattr(trees, limit, most)
    order = rng.permutation(len(X))
    for other in (X, np.asfortranarray(X)):
        assert (of_text.raw_scores(other) == scores).all()
        assert (of_text.raw_scores(other[order]) == scores[order]).all()
    assert of_text.raw_scores(X[:0]).shape == (0,)


def test_trees_that_learned_nothing_give_their_constant(rng):
    X = rng.normal(size=(50, 2))
    text = grown(X, np.full(50, 3.0), objective="regression")
    np.testing.assert_allclose(Trees(text).raw_scores(X), lightgbm.Booster(model_str=text).predict(X, raw_score=True))


def test_what_each_feature_adds_sums_to_the_score(rng):
    X = whole_numbers(rng, 300, 0.2)
    of_text = Trees(grown(X, X[:, 0] > 2, objective="binary"))
    np.testing.assert_allclose(of_text.contributions(X).sum(axis=1), of_text.raw_scores(X), atol=1e-9)


def test_what_is_read_wrongly_otherwise_is_refused(rng):
    X = rng.integers(0, 4, size=(300, 2)).astype(float)
    of_levels = lightgbm.train(SETTINGS, lightgbm.Dataset(X, X[:, 0] % 2, categorical_feature=[0]), 2)
    with pytest.raises(ValueError, match="only splits of numbers"):
        Trees(of_levels.model_to_string()).raw_scores(X)
    with pytest.raises(ValueError, match="only splits of numbers"):
        Trees(grown(X, X[:, 0], zero_as_missing=True)).raw_scores(X)
    with pytest.raises(ValueError, match="one score"):
        Trees(grown(X, X[:, 0] % 3, objective="multiclass", num_class=3)).raw_scores(X)
    with pytest.raises(ValueError, match="a line in each leaf"):
        Trees(grown(X, X[:, 0], linear_tree=True)).raw_scores(X)
    with pytest.raises(ValueError, match="know 2 features, and were given 3"):
        Trees(grown(X, X[:, 0])).raw_scores(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="no text of LightGBM's"):
        Trees("tree").raw_scores(X)
