"""Allocations in whole numbers beside brute force, and the margin beside textbook formulas."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from models.survey.allocation import Allocations


def people(sizes, variances, responses):
    stratum = np.repeat(np.arange(len(sizes)), sizes)
    return pd.DataFrame(
        {"stratum": stratum, "variance": np.array(variances)[stratum], "response": np.array(responses)[stratum]}
    )


def test_every_step_is_the_best_of_all_allocations_of_its_size():
    sizes, variances, responses = [3, 6, 9, 4], [9000.0, 2500.0, 4000.0, 100.0], [0.02, 0.1, 0.3, 0.5]
    found = Allocations.of(people(sizes, variances, responses), fixed=1.0)
    spread = np.array(sizes) ** 2 * np.array(variances) / np.array(responses)
    best = dict[int, float]()
    for n in product(*(range(2, size + 1) for size in sizes)):
        best[sum(n)] = min(best.get(sum(n), np.inf), float(np.sum(spread / n)))
    assert found.steps == sum(sizes) - 8
    for steps in range(found.steps + 1):
        n = found.after(steps)
        assert n.sum() == 8 + steps
        assert np.sum(spread / n) == pytest.approx(best[8 + steps], rel=1e-12)


def test_of_many_customers_it_is_neymans_rule():
    """n_h in proportion to N_h sqrt(mean s^2 / r), with variance (sum N_h S_h)^2 / (n N^2)."""
    sizes, variances, responses = [40_000, 30_000, 30_000], [8000.0, 6000.0, 3000.0], [0.05, 0.2, 0.5]
    found = Allocations.of(people(sizes, variances, responses), fixed=0.0)
    n = found.after(5000 - 6)
    share = np.array(sizes) * np.sqrt(np.array(variances) / np.array(responses))
    assert n == pytest.approx(5000 * share / share.sum(), abs=1)
    error = share.sum() / np.sqrt(5000) / 1e5
    assert found.margin(n) == pytest.approx(1.96 * error, rel=5e-3)
    steps = found.steps_to(found.margin(n))
    assert steps == 5000 - 6


def test_alike_customers_give_the_textbook_margin():
    """n answers of one variance: t_(n-1) sqrt(s^2 / n + fixed), n the expected answers."""
    found = Allocations.of(people([1000], [6400.0], [0.25]), fixed=0.5)
    assert found.margin(np.array([400])) == pytest.approx(student.ppf(0.975, 99) * np.sqrt(64.5))
    for margin in (11.0, 15.75, 22.0):
        steps = found.steps_to(margin)
        assert found.margin(found.after(steps)) <= margin < found.margin(found.after(steps - 1))
    assert found.steps_to(9.0) is None
    assert found.steps_to(1e6) == 0


def test_a_few_customers_are_all_asked():
    found = Allocations.of(people([1, 2], [100.0, 100.0], [1.0, 1.0]), fixed=0.0)
    assert found.steps == 0
    assert found.after(0).tolist() == [1, 2]
    # Three answers of variance 100 for three customers.
    assert found.margin(found.after(0)) == pytest.approx(student.ppf(0.975, 2) * np.sqrt(100 / 3))
    nobody = Allocations.of(people([0], [100.0], [1.0]), fixed=0.0)
    assert np.isnan(nobody.margin(nobody.after(0)))
    assert nobody.steps_to(1e9) is None
