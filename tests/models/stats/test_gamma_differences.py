"""Differences of log Gamma functions beside fifty digits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.stats.gamma_differences import rising
from tests.models.golden.gamma_differences import N, Z
from tests.models.golden.values import read

EXACT = read("gamma_differences")


@pytest.mark.parametrize("z", Z)
def test_equals_fifty_digits_however_large_both_are(z):
    ours, exact = rising(z, np.array(N)), np.reshape(EXACT[f"z {z:g}"], (3, len(N)))
    for values, expected in zip(ours, exact, strict=True):
        assert_allclose(values, expected, rtol=1e-8)
        assert_allclose(values[1:], expected[1:], rtol=1e-12)


def test_of_nothing_is_zero():
    for values in rising(np.array(Z), 0.0):
        assert (values == 0).all()


def test_whole_steps_are_sums():
    z = np.array([0.2, 3.0, 500.0])
    log_gamma, psi, trigamma = rising(z, 6.0)
    steps = z[:, None] + np.arange(6)
    assert_allclose(log_gamma, np.log(steps).sum(axis=1), rtol=1e-13)
    assert_allclose(psi, (1 / steps).sum(axis=1), rtol=1e-13)
    assert_allclose(trigamma, -(1 / steps**2).sum(axis=1), rtol=1e-13)
