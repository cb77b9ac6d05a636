"""The bench of any shop: a handful of each kind fits, and what it simulates is what it says."""

import numpy as np
import pytest

from benchmarks.purchases.any_shop import calibration, histories, outcome, small_shops, subscribers, yearly_buyers
from models.purchases.bg_nbd import BetaGeoModel, ModifiedBetaGeoModel


@pytest.mark.parametrize("kind", [small_shops, yearly_buyers, subscribers])
def test_a_handful_of_shops_is_taken_with_finite_figures(kind):
    for shop in kind(2):
        described = histories(shop)
        for model in (BetaGeoModel, ModifiedBetaGeoModel):
            assert outcome(described, model) not in ("refused", "not finite")


def test_yearly_buyers_come_once_a_year_and_subscribers_once_a_month():
    for kind, gap in ((yearly_buyers, 365), (subscribers, 30)):
        shop = next(kind(1))
        gaps = shop.sort_values(["customer", "day"]).groupby("customer")["day"].diff().dropna()
        assert gaps.median() == pytest.approx(gap, rel=0.02)


def test_p_alive_is_right_where_its_model_is_and_not_published_by_assumption():
    table = calibration(customers=4000, seeds=2).set_index(["true model", "fitted"])
    error = table["error"].str.split(" ").str[0].astype(float)
    right = [error[name, name] for name in ("BG/NBD", "MBG/NBD")]
    assert max(right) < 0.05 < error["BG/NBD", "MBG/NBD"]
    assert table.loc[("MBG/NBD", "MBG/NBD"), "published"] == "100.0%"
    # One-time buyers are not judged by BG/NBD.
    assert float(table.loc[("MBG/NBD", "BG/NBD"), "published"].rstrip("%")) < 70
    assert np.isfinite(error).all()
