"""Balance by hand, by regression, and with weights that are right by construction."""

import numpy as np
import pandas as pd
import pytest

from models.stats.balance import covariate_balance


def test_differences_by_hand():
    answered = pd.DataFrame({"a": [1.0, 3.0], "b": [5.0, np.nan], "same": [2.0, 2.0]})
    target = pd.DataFrame({"a": [0.0, 4.0, 0.0, 4.0], "b": [1.0, 3.0, 5.0, 7.0], "same": [2.0] * 4})
    table = covariate_balance(answered, [3.0, 1.0], target)
    assert table.index.tolist() == ["b missing", "b", "a"]
    # Spread of a: sqrt((1 + 4) / 2); means 2 and, weighted, 1.5 against 2.
    assert table.loc["a"].to_numpy() == pytest.approx([0.0, -0.5 / np.sqrt(2.5)])
    # One known value of b, 5 against 4, spread sqrt((0 + 5) / 2); its missing share is 1/2, weighted 1/4, against 0.
    assert table.loc["b"].to_numpy() == pytest.approx([1 / np.sqrt(2.5), 1 / np.sqrt(2.5)])
    assert table.loc["b missing"].to_numpy() == pytest.approx([0.5 / np.sqrt(0.125), 0.25 / np.sqrt(0.125)])


def test_true_weights_balance_and_regression_agrees():
    rng = np.random.default_rng(2)
    target = pd.DataFrame(rng.normal(size=(50_000, 3)), columns=list("abc"))
    pi = 1 / (1 + np.exp(2.0 - target["a"] + 0.5 * target["b"]))
    R = (rng.random(50_000) < pi).to_numpy()
    table = covariate_balance(target[R], 1 / pi[R], target)
    assert table.index[0] == "a"
    assert (table["after"].abs() < 0.05).all()
    assert table.loc["a", "before"] > 0.5
    # The slope of weighted regression on "stands for those who answered" is the difference of the means.
    both = pd.concat([target[R], target])
    w = np.concatenate([1 / pi[R], np.ones(50_000)])
    is_answer = np.repeat([1.0, 0.0], [R.sum(), 50_000])
    design = np.column_stack([np.ones(len(w)), is_answer]) * np.sqrt(w)[:, None]
    slope = np.linalg.lstsq(design, both["b"].to_numpy() * np.sqrt(w), rcond=None)[0][1]
    spread = np.sqrt((target["b"][R].var(ddof=0) + target["b"].var(ddof=0)) / 2)
    assert table.loc["b", "after"] == pytest.approx(slope / spread, rel=1e-9)


def test_what_never_varies_or_is_never_known_is_left_out():
    empty = covariate_balance(
        pd.DataFrame({"a": [1.0], "b": [np.nan]}), [1.0], pd.DataFrame({"a": [1.0], "b": [np.nan]})
    )
    assert empty.empty
    with pytest.raises(ValueError, match="the target lacks a"):
        covariate_balance(pd.DataFrame({"a": [1.0]}), [1.0], pd.DataFrame({"b": [1.0]}))
    with pytest.raises(ValueError, match="one weight per row"):
        covariate_balance(pd.DataFrame({"a": [1.0]}), [1.0, 2.0], pd.DataFrame({"a": [1.0]}))
