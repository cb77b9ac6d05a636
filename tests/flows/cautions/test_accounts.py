"""Large orders and accounts are named, with the figures without them; even shops have none."""

import numpy as np
import pandas as pd
import pytest

from flows.cautions.accounts import accounts_of, fitted_accounts_section, scored_accounts_section
from flows.settings import Settings
from flows.steps.inputs import open_inputs, read_inputs
from models.monitoring.rhythm import gap_variation
from models.purchases.fit import fit_purchases_at
from models.recipe import Recipe
from models.scoring.gamma_gamma import expected_spend

HORIZON = Recipe(horizon=60)


def date_of(day):
    return f"{pd.Timestamp('2024-01-01') + pd.Timedelta(days=int(day)):%F}"


@pytest.fixture
def opened(tmp_path):
    """Read a shop of 300 customers at random times, with lines added."""

    def build(added=(), name="shop", gap=None):
        rng, lines = np.random.default_rng(3), ["customer_id,ts,amount"]
        for customer in range(300):
            day, rate = float(rng.integers(0, 200)), rng.gamma(1.0, 1 / 60)
            while day < 360:
                lines.append(f"c{customer},{date_of(day)},{rng.gamma(5, 6):.2f}")
                if gap is None and rng.random() < 0.15:
                    break
                day += gap or 1 + rng.exponential(1 / rate)
        file = tmp_path / f"{name}.csv"
        file.write_text("\n".join([*lines, *added]) + "\n", encoding="utf-8")
        settings = Settings(transactions=[str(file)])
        return open_inputs(read_inputs(settings, tmp_path / name), settings)

    return build


def test_a_giant_order_is_named_with_what_is_fitted_without_it(opened):
    plain, odd = opened(), opened(["c1,2024-12-20,900000"], "odd")
    assert fitted_accounts_section(plain.tables, plain.as_of, HORIZON) is None
    section = fitted_accounts_section(odd.tables, odd.as_of, HORIZON)
    assert section is not None
    text = " ".join(section.sentences)
    assert "The purchase of customer c1 on 2024-12-20, 900,000.00, is " in text
    assert "Customer c1 makes " in text
    assert "rows = \"customer_id <> 'c1'\" under [formats.transactions]" in text
    table = section.table.set_index("fitted on")
    # Fitted by itself on a file without this customer, the shop has the same figures.
    file = odd.tables.transactions.filter(odd.tables.transactions.customer_id != "c1")
    assert table.loc["customers", "without c1"] == str(file.customer_id.nunique().to_pyarrow().as_py())
    alone = fit_purchases_at(plain.tables, plain.as_of, "bg_nbd")
    value = table.loc["value of a purchase, of a new customer"]
    without, whole = float(value["without c1"]), float(value["everyone"])
    assert without == pytest.approx(float(expected_spend(0.0, 0.0, alone.spend)), rel=0.03)
    assert whole > without
    before, after = (
        float(table.loc["expected revenue in 60 days", name].replace(",", "")) for name in ("everyone", "without c1")
    )
    assert before > 2 * after


def test_an_account_with_many_orders_is_named(opened):
    days = [f"BIG,{date_of(day)},30" for day in range(0, 360, 2)]
    inputs = opened(days, "many")
    section = fitted_accounts_section(inputs.tables, inputs.as_of, HORIZON)
    rows = inputs.tables.transactions
    share = 180 / rows.select("customer_id", day=rows.ts.date()).distinct().count().to_pyarrow().as_py()
    assert share > 0.1
    assert f"Customer BIG makes {100 * share:.1f} % of the purchases so far." in section.sentences


def scored(revenue, frequency):
    """A table with what the section reads of the published one."""
    columns = {"frequency": frequency, "expected_purchases": 0.5, "expected_revenue": revenue, "clv": 2.0}
    return pd.DataFrame({"customer_id": [f"c{i:02}" for i in range(len(revenue))], **columns})


def test_an_account_with_much_of_what_is_expected_is_named():
    section = scored_accounts_section(accounts_of(scored([30.0] + [1.0] * 99, 1)), "EUR")
    assert section.sentences[0] == "Customer c00 makes 23.3 % of the expected revenue."
    table = section.table.set_index("in all")
    assert table.loc["expected revenue, EUR"].tolist() == ["129.00", "99.00"]
    assert table.loc["customers"].tolist() == ["100", "99"]
    assert table.loc["purchases so far"].tolist() == ["200", "198"]
    of_orders = scored_accounts_section(accounts_of(scored([1.0] * 100, [49] + [1] * 99)), "EUR")
    assert of_orders.sentences[0] == "Customer c00 makes 20.2 % of the purchases so far."


@pytest.mark.parametrize("revenue", [[1.0] * 5, [11.0] + [1.0] * 99, [0.0] * 60])
def test_no_account_is_large_where_all_are_alike_or_nothing_is_expected(revenue):
    assert accounts_of(scored(revenue, 1)) is None


def test_the_gaps_of_subscribers_vary_little_and_those_of_others_as_at_random(opened):
    random, regular = opened(), opened(name="regular", gap=30)
    # Whole days and gaps cut off at the end make it a little less than 1.
    assert 0.8 < gap_variation(random.tables, random.as_of) < 1.1
    assert gap_variation(regular.tables, regular.as_of) == pytest.approx(0.0, abs=1e-9)
