"""Season, level and feasts of counts of known rates."""

import numpy as np
import pytest

from models.purchases.season.structure import Series, decompose


def series(rng: np.random.Generator, season: float = 0.0, slope: float = 0.0, feast: float = 0.0) -> Series:
    """Three years of weeks with 60 purchases each on average."""
    years = (np.arange(156) + 0.5) / 52
    share = years % 1.0
    feasts = np.zeros((156, 1))
    feasts[[13, 67, 118]] = 1.0
    log_rate = season * np.sin(2 * np.pi * share) + slope * (years - 3.0) + feast * feasts[:, 0]
    expected = np.full(156, 60.0)
    return Series(rng.poisson(expected * np.exp(log_rate)).astype(float), expected, years, share, feasts)


def structure(*args: float):
    each = series(np.random.default_rng(5), *args)
    first = decompose(each, np.zeros(156))
    return decompose(each, first.log_rate)


def test_a_season_is_found_with_its_error():
    found = structure(0.4)
    truth = 0.4 * np.sin(2 * np.pi * (np.arange(52) + 0.5) / 52)
    errors = np.sqrt(np.diag(found.index_covariance))
    assert np.mean(np.abs(found.log_index - truth) < 2 * errors) > 0.85
    assert errors.max() < 0.1
    assert found.evidence > 20


def test_noise_is_no_season_and_a_slope_is_a_level():
    assert structure().evidence < 1
    sloping = structure(0.0, 0.25)
    assert sloping.evidence < 2
    assert sloping.slope == pytest.approx(0.25, abs=0.05)
    assert sloping.log_level[0] == pytest.approx(-0.75, abs=0.15)
    assert sloping.log_level[-1] == 0.0


def test_a_feast_is_told_from_the_season():
    assert structure(0.3, 0.0, 0.5).feast_effects == pytest.approx([0.5], abs=0.2)
    assert np.abs(structure(0.3).feast_effects) < 0.15
