"""A secret in any setting shows in no message and in nothing that Prefect stores, however it is written."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from flows.settings import Settings

SECRET = "Zq9sesame"
NAMES = st.sampled_from(sorted(Settings.model_fields))
URLS = st.builds(
    "{}://me:{}{}{}@db.example/shop{}".format,
    st.sampled_from(["http", "postgresql", "mysql", "s3", "no scheme"]),
    st.text("/#@?:[]%{\"'", max_size=2),
    st.just(SECRET),
    st.text("/#@?:[]%}\"'", max_size=2),
    st.sampled_from(["", f"?token={SECRET}", f"#{SECRET}"]),
)


@pytest.fixture(scope="module", autouse=True)
def nowhere(tmp_path_factory):
    """A working folder without a settings file."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("nowhere"))
    yield
    os.chdir(before)


@given(NAMES, URLS, st.booleans())
def test_no_message_about_a_setting_holds_its_secret(name, url, is_in_environment):
    given_here = {} if is_in_environment else {name: url}
    variable = {f"REVEALED_{name.upper()}": url} if is_in_environment else {}
    with patch.dict(os.environ, variable):
        try:
            settings = Settings.load(**given_here)
        except InputError as error:
            assert SECRET not in str(error)
            assert error.__cause__ is None
        else:
            of_tables = {"transactions", "answers", "events", "customers"}
            stored = settings.model_dump_json(include=of_tables)
            assert SECRET not in stored
