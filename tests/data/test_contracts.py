import pytest

from data.contracts import CONTRACTS


@pytest.mark.parametrize("table", CONTRACTS)
def test_every_clean_column_is_read_or_made_from_one_that_is(table):
    made = {"scale_low": "scale", "scale_high": "scale"}
    contract = CONTRACTS[table]
    assert {made.get(name, name) for name in contract.clean} == set(contract.names) - {"currency"}
