"""From an export as a shop gets it to scores in three commands, each a process of its own."""

import csv

import pytest

from tests.exports import markets, offices, platforms, tills
from tests.exports.shop import simulate, write_export

from .conftest import BIN, call, clean_environment

assert markets and offices and platforms and tills, "importing them registers the exports"


@pytest.mark.parametrize("name", ["shopify", "1c", "datev"])
def test_three_commands_lead_from_a_file_to_scores(name, tmp_path):
    written = write_export(name, tmp_path, simulate())
    for arguments in (("init", written.path.name, "--yes"), ("retrain",), ("score",)):
        call([BIN / "revealed", *arguments], tmp_path, clean_environment())
    call([BIN / "revealed", "scores", "--output", "scores.csv"], tmp_path, clean_environment())
    with (tmp_path / "scores.csv").open(encoding="utf-8") as file:
        assert len({row["customer_id"] for row in csv.DictReader(file)}) == written.customers
