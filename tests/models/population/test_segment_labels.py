"""Segments computed another way: from the published scores, and from the raw table of customers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from models.population.scored import assemble_scores
from models.population.segment_labels import NOT_KNOWN, RFM, segment_labels


def test_rfm_segments_are_those_of_the_published_scores(simulated_shop, release, described, predicted):
    labels = dict(segment_labels(simulated_shop.tables, simulated_shop.as_of, release))
    published = assemble_scores(described, predicted, release, None).set_index("customer_id")["segment"]
    assert list(labels) == [RFM]
    assert labels[RFM].to_dict() == published.to_dict()


def test_attributes_are_taken_as_they_are_and_numbers_with_many_values_in_fifths(
    simulated_shop, release, described, take_frames
):
    raw = {name: pd.read_parquet(simulated_shop.files[name]) for name in ("transactions", "customers")}
    customers = raw["customers"][["customer_id", "region"]].copy()
    customers["age"] = np.arange(len(customers)) % 50 + 18
    customers["children"] = np.arange(len(customers)) % 3
    customers.loc[customers.index[:7], ["region", "age"]] = None
    tables = take_frames(transactions=raw["transactions"], customers=customers)
    labels = dict(segment_labels(tables, simulated_shop.as_of, release, ["region", "age", "children"]))
    # Who gave everything back has attributes, too.
    assert set(labels["region"].index) == set(raw["transactions"]["customer_id"]) > set(described["customer_id"])
    of = customers.set_index("customer_id").reindex(labels["region"].index)
    assert labels["region"].tolist() == of["region"].fillna(NOT_KNOWN).tolist()
    assert labels["children"].tolist() == of["children"].astype(int).astype(str).tolist()
    shares = labels["age"][of["age"].notna().to_numpy()].value_counts(normalize=True)
    assert len(shares) == 5
    assert shares.to_numpy() == pytest.approx(0.2, abs=0.02)
    sorted_ages = sorted(of["age"].dropna())
    four_fifths = sorted_ages[int(np.ceil(0.8 * len(sorted_ages))) - 1]
    assert set(labels["age"][(of["age"] == 67).to_numpy()]) == {f"over {four_fifths:g} to 67"}
    assert set(labels["age"][of["age"].isna().to_numpy()]) == {NOT_KNOWN}


def test_an_attribute_that_is_not_there_is_told_with_those_that_are(simulated_shop, release):
    with pytest.raises(
        InputError, match=r"a text of 4 characters: no column of customers .* it has cost_to_serve, region"
    ):
        dict(segment_labels(simulated_shop.tables, simulated_shop.as_of, release, ["city"]))
    bare = replace(simulated_shop.tables, customers=None)
    with pytest.raises(InputError, match="no customers were given"):
        dict(segment_labels(bare, simulated_shop.as_of, release, ["region"]))
