import numpy as np
import pytest
from scipy.stats import binomtest, multinomial, ttest_1samp

from features.measures.intervals import (
    change_interval,
    mean_interval,
    nps_interval,
    ratio_interval,
    wilson_interval,
)


def test_the_interval_of_an_nps_is_walds_of_the_answers_and_three_more():
    # 10 detractors, 5 passives, 20 promoters; the added answers are weights of -1, 0 and 1.
    values = np.array([-1.0, 0.0, 1.0])
    weights = np.array([10.75, 6.5, 20.75])
    mean = np.average(values, weights=weights)
    error = np.sqrt(np.average((values - mean) ** 2, weights=weights) / 38)
    score, low, high = nps_interval([10], [5], [20])
    assert score == pytest.approx(100 * 10 / 35)
    assert low == pytest.approx(100 * (mean - 1.95996398454 * error))
    assert high == pytest.approx(100 * (mean + 1.95996398454 * error))


def exact_coverage(interval, n, shares):
    """Sum the chance of every possible sample whose interval holds the truth."""
    bad, good = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    possible = bad + good <= n
    samples = np.stack([bad, n - bad - good, good], axis=1)[possible]
    _, low, high = interval(*samples.T)
    truth = 100 * (shares[2] - shares[0])
    return multinomial.pmf(samples, n, shares)[(low <= truth) & (truth <= high)].sum()


def wald(bad, middle, good):
    n = bad + middle + good
    score = (good - bad) / n
    reach = 1.96 * np.sqrt(((good + bad) / n - score**2) / n)
    return 100 * score, 100 * (score - reach), 100 * (score + reach)


@pytest.mark.parametrize("shares", [(0.2, 0.3, 0.5), (0.1, 0.2, 0.7), (0.05, 0.15, 0.8), (0.4, 0.4, 0.2)])
def test_the_interval_of_an_nps_holds_the_truth_as_often_as_it_says(shares):
    for n in (10, 20, 50, 100):
        assert 0.935 <= exact_coverage(nps_interval, n, shares) <= 0.985


def test_the_interval_of_an_nps_is_nearer_to_95_percent_than_plain_walds_in_small_samples():
    shares = (0.05, 0.15, 0.8)
    plain, adjusted = (exact_coverage(interval, 10, shares) for interval in (wald, nps_interval))
    assert abs(adjusted - 0.95) < 0.02 < 0.05 < abs(plain - 0.95)


def test_the_interval_of_an_nps_at_the_corners():
    score, low, high = nps_interval([0, 0, 7, 0], [0, 0, 0, 4], [0, 1, 0, 0])
    assert np.isnan([score[0], low[0], high[0]]).all()
    # A single promoter: the interval of the four answers ends below 100, which is the score.
    assert (score[1], high[1]) == (100, 100)
    assert low[1] < 0
    assert (score[2], low[2]) == (-100, -100)
    assert -100 < high[2] < 0
    assert score[3] == 0
    assert low[3] == pytest.approx(-high[3])
    assert -100 < low[3] < 0


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 20), (3, 20), (20, 20), (123, 4567)])
def test_the_interval_of_a_share_is_that_of_the_peer(successes, n):
    peer = binomtest(successes, n).proportion_ci(method="wilson")
    share, low, high = wilson_interval([successes], [n])
    assert share == successes / n
    assert (low[0], high[0]) == pytest.approx((peer.low, peer.high), abs=1e-12)
    assert 0 <= low <= share <= high <= 1


def test_the_interval_of_a_mean_is_that_of_the_peer():
    rng = np.random.default_rng(1)
    samples = [np.array([3, 5]), *(rng.integers(1, 8, size) for size in (5, 400))]
    moments = ([len(s), s.sum(), (s * s).sum()] for s in samples)
    mean, low, high = mean_interval(*np.transpose(list(moments)))
    for k, sample in enumerate(samples):
        peer = ttest_1samp(sample, 0).confidence_interval()
        assert (mean[k], low[k], high[k]) == pytest.approx((sample.mean(), peer.low, peer.high), rel=1e-12)


def test_a_mean_of_one_value_or_of_equal_values_has_no_interval():
    mean, low, high = mean_interval([0, 1, 3, 10**9], [0, 7, 21, 7 * 10**9], [0, 49, 147, 49 * 10**9])
    assert np.isnan(mean[0])
    assert mean[1:].tolist() == [7, 7, 7]
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_the_interval_of_a_ratio_of_sums_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    shape = (4000, 60)  # 60 surveys each, drawn 4,000 times: a Monte Carlo error of .35 percentage points
    weight = rng.gamma(4.0, 1.0, shape)
    value = weight * (3 + 0.2 * (weight - 4) + rng.normal(0, 1, shape))
    truth = (3 * 4 + 0.2 * 4) / 4  # E[w (3 + .2 (w - 4))] / E[w], with variance 4 of the weight
    n = np.full(shape[0], shape[1])
    squares = ((value * value).sum(1), (value * weight).sum(1), (weight * weight).sum(1))
    ratio, low, high = ratio_interval(n, value.sum(1), weight.sum(1), *squares)
    assert ratio.mean() == pytest.approx(truth, abs=0.01)
    assert 0.935 <= ((low <= truth) & (truth <= high)).mean() <= 0.957


def test_a_ratio_to_nothing_is_not_known():
    ratio, low, high = ratio_interval([3], [0], [0], [0], [0], [0])
    assert np.isnan([ratio, low, high]).all()


def test_the_interval_of_a_change_of_shares_is_newcombes():
    # Newcombe (1998), table II, method 10: 56/70 against 48/80, and 9/10 against 3/10.
    change, low, high = change_interval(wilson_interval([56, 9], [70, 10]), wilson_interval([48, 3], [80, 10]))
    assert change == pytest.approx([0.2, 0.6])
    assert low == pytest.approx([0.0524, 0.1705], abs=5e-5)
    assert high == pytest.approx([0.3339, 0.8090], abs=5e-5)


def test_the_interval_of_a_change_of_an_nps_holds_the_truth_as_often_as_it_says():
    rng, shares = np.random.default_rng(0), ((0.2, 0.3, 0.5), (0.1, 0.2, 0.7))
    truth = 100 * ((shares[1][2] - shares[1][0]) - (shares[0][2] - shares[0][0]))
    for n in ((15, 40), (200, 30)):
        before, now = (nps_interval(*rng.multinomial(size, p, 20_000).T) for size, p in zip(n, shares, strict=True))
        _, low, high = change_interval(now, before)
        # A share of 20,000 has a standard error of .0015.
        assert 0.945 <= np.mean((low <= truth) & (truth <= high)) <= 0.975


def test_a_change_from_a_figure_without_an_interval_has_none():
    nothing = (np.array([1.0]), np.array([np.nan]), np.array([np.nan]))
    change, low, high = change_interval(wilson_interval([1], [2]), nothing)
    assert change == [-0.5]
    assert np.isnan([low, high]).all()
