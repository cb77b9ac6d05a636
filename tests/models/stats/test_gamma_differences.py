"""Differences of log Gamma functions beside fifty digits."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.stats.gamma_differences import rising

Z = [1e-12, 1e-3, 0.5, 1.0, 7.3, 15.999, 16.0, 40.0, 1e4, 1e8, 1e14]
N = [1e-6, 0.3, 1.0, 4.0, 1000.0, 20_000.0, 1e9]


@pytest.mark.parametrize("z", Z)
def test_equals_fifty_digits_however_large_both_are(z):
    ours = rising(z, np.array(N))
    with mpmath.workdps(50):
        ends = [mpmath.mpf(z) + mpmath.mpf(n) for n in N]
        exact = [
            [float(function(end) - function(mpmath.mpf(z))) for end in ends]
            for function in (mpmath.loggamma, mpmath.digamma, lambda at: mpmath.psi(1, at))
        ]
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
