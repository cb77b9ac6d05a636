"""A few broken inputs of each format, the same each time; `make faults` takes a thousand of each table and format."""

import pytest

from tests.faults.malformed.files import FORMATS
from tests.faults.malformed.judging import load_broken_environments, load_broken_settings, take_broken_files

TABLES = {"csv": "transactions", "packed": "answers", "parquet": "events", "json": "customers", "xlsx": "transactions"}
FILES, LOADS = 5, 25


@pytest.mark.parametrize("written", FORMATS)
def test_a_broken_file_is_refused_or_each_of_its_rows_is_kept_or_set_aside(written, tmp_path):
    judged = take_broken_files(TABLES[written], written, tmp_path, FILES, 2)
    assert judged.ended.total() >= FILES


@pytest.mark.parametrize("load", [load_broken_settings, load_broken_environments])
def test_broken_settings_are_read_or_refused(load, tmp_path):
    assert load(tmp_path, LOADS, 1).ended.total() >= LOADS
