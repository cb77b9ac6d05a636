import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import kstest, multivariate_normal

from data.simulation.answers import NPS_CUTS
from data.simulation.behaviour import (
    GROUPS,
    POINT_SHARES,
    SimulatedBehaviour,
    response_probability,
    simulate_behaviour,
)

CUSTOMERS = 40_000


@pytest.fixture(scope="module")
def behaviour() -> SimulatedBehaviour:
    return simulate_behaviour(CUSTOMERS, seed=11, r_squared=0.3)


@pytest.mark.parametrize("interactions", [0.0, 0.7])
def test_the_share_explained_is_the_correlation_of_two_answers_of_one_customer(interactions: float) -> None:
    """Two answers share the satisfaction, so their latents correlate by R^2: the chance that both are a promoter's is
    that of a bivariate normal."""
    behaviour = simulate_behaviour(CUSTOMERS, seed=3, r_squared=0.4, interactions=interactions)
    assert kstest(behaviour.satisfaction, "norm").pvalue > 0.001
    rng = np.random.default_rng(0)
    both = [
        ((behaviour.draw_scores(rng) >= NPS_CUTS[1]) & (behaviour.draw_scores(rng) >= NPS_CUTS[1])).mean()
        for _ in range(10)
    ]
    cut = -ndtri(POINT_SHARES[: NPS_CUTS[1]].sum())
    expected = multivariate_normal.cdf([cut, cut], cov=[[1.0, 0.4], [0.4, 1.0]])
    assert np.mean(both) == pytest.approx(expected, abs=4.0 * np.sqrt(expected * (1.0 - expected) / CUSTOMERS))


def test_a_line_through_the_latents_explains_what_is_not_interaction() -> None:
    """The switch gives half its variance to a line, the crossover and the bend nothing: .3 + .7 * .4 / 2."""
    behaviour = simulate_behaviour(CUSTOMERS, seed=5, r_squared=0.2, interactions=0.7)
    design = np.column_stack([np.ones(CUSTOMERS), behaviour.latents])
    rest = behaviour.satisfaction - design @ np.linalg.lstsq(design, behaviour.satisfaction)[0]
    assert 1.0 - rest.var() / behaviour.satisfaction.var() == pytest.approx(0.44, abs=0.02)


def test_scores_come_in_their_shares_and_probabilities_are_those_of_the_draws(behaviour: SimulatedBehaviour) -> None:
    rng = np.random.default_rng(1)
    scores = np.concatenate([behaviour.draw_scores(rng) for _ in range(10)])
    shares = np.bincount(scores, minlength=11) / len(scores)
    np.testing.assert_allclose(shares, POINT_SHARES, atol=0.006)
    likely = behaviour.probabilities[:, 2] > np.quantile(behaviour.probabilities[:, 2], 0.9)
    drawn = (scores.reshape(10, -1)[:, likely] >= NPS_CUTS[1]).mean()
    assert drawn == pytest.approx(behaviour.probabilities[likely, 2].mean(), abs=0.01)
    np.testing.assert_allclose(behaviour.probabilities.sum(axis=1), 1.0, atol=1e-12)


def test_without_signal_everyone_has_the_same_probabilities() -> None:
    silent = simulate_behaviour(500, seed=2, r_squared=0.0, interactions=0.5)
    np.testing.assert_allclose(silent.probabilities, [[0.23, 0.30, 0.47]] * 500, atol=1e-12)


def test_cells_are_missing_by_their_own_value(behaviour: SimulatedBehaviour) -> None:
    assert behaviour.features.shape == (CUSTOMERS, 45)
    column = 0
    for group in GROUPS.values():
        for k in range(group.columns):
            missing = behaviour.features.iloc[:, column].isna()
            latent = behaviour.latents[:, column]
            if group.has_gaps(k):
                assert missing.mean() == pytest.approx(group.missing, abs=0.01)
                assert latent[missing].mean() < latent[~missing].mean() - 0.5
            else:
                assert not missing.any()
            column += 1


def test_groups_correlate_and_noise_does_not(behaviour: SimulatedBehaviour) -> None:
    correlation = pd.DataFrame(behaviour.latents, columns=behaviour.features.columns).corr()
    assert correlation.loc["money_0", "money_3"] == pytest.approx(0.6, abs=0.02)
    noise = [f"noise_{k}" for k in range(8)]
    assert correlation.loc[noise].drop(columns=noise).abs().to_numpy().max() < 0.03
    correlations = [abs(np.corrcoef(behaviour.latents[:, -8 + k], behaviour.satisfaction)[0, 1]) for k in range(8)]
    assert max(correlations) < 0.03


def test_the_same_seed_gives_the_same_customers() -> None:
    first, second = (simulate_behaviour(300, seed=9, r_squared=0.2, interactions=0.3) for _ in range(2))
    pd.testing.assert_frame_equal(first.features, second.features, check_exact=True)
    np.testing.assert_array_equal(first.satisfaction, second.satisfaction)
    other = simulate_behaviour(300, seed=10, r_squared=0.2, interactions=0.3)
    assert not first.features.equals(other.features)


@pytest.mark.parametrize(("r_squared", "off"), [(0.2, 16.0), (0.3, 19.0), (0.4, 22.0)])
def test_who_answers_is_happier_by_some_eighteen_points(r_squared: float, off: float) -> None:
    """Counted over draws of who answers and what, not taken from the probabilities."""
    behaviour = simulate_behaviour(200_000, seed=4, r_squared=r_squared)
    chance = response_probability(behaviour, answer_rate=0.03)
    assert chance.mean() == pytest.approx(0.03, abs=1e-12)
    rng = np.random.default_rng(6)
    means = []
    for _ in range(8):
        scores = behaviour.draw_scores(rng)[rng.random(len(chance)) < chance]
        means.append(100.0 * ((scores >= NPS_CUTS[1]).mean() - (scores < NPS_CUTS[0]).mean()))
    truth = 100.0 * (behaviour.probabilities[:, 2] - behaviour.probabilities[:, 0]).mean()
    # One survey has a standard error of one point.
    assert np.mean(means) - truth == pytest.approx(off, abs=1.5)


def test_another_channel_reaches_others_and_strength_nought_everyone_alike(behaviour: SimulatedBehaviour) -> None:
    nps = 100.0 * (behaviour.probabilities[:, 2] - behaviour.probabilities[:, 0])
    first, second = (np.average(nps, weights=response_probability(behaviour, 0.03, channel=k)) for k in (0, 1))
    assert first - second > 15.0
    np.testing.assert_allclose(response_probability(behaviour, 0.05, strength=0.0), 0.05, atol=1e-9)


def test_answering_depends_on_what_the_features_show(behaviour: SimulatedBehaviour) -> None:
    """Changing the latents behind counts, flags other than the threshold's, and gaps changes nobody's chance."""
    shown = [name for name in behaviour.features if behaviour.features[name].nunique() > 500]
    shown = [name for name in shown if behaviour.features[name].notna().all()] + ["visits_3"]
    hidden = ~behaviour.features.columns.isin(shown)
    latents = behaviour.latents.copy()
    latents[:, hidden] = 0.0
    changed = SimulatedBehaviour(behaviour.features, behaviour.satisfaction, behaviour.probabilities, latents, 0.3)
    np.testing.assert_allclose(response_probability(changed, 0.03), response_probability(behaviour, 0.03))


@pytest.mark.parametrize(("r_squared", "interactions"), [(1.0, 0.0), (-0.1, 0.0), (0.2, 1.5)])
def test_shares_out_of_range_are_named(r_squared: float, interactions: float) -> None:
    with pytest.raises(ValueError, match=rf"got {r_squared} and {interactions}"):
        simulate_behaviour(10, 1, r_squared, interactions)
