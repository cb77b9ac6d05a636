"""What was drawn is read back exactly as it was, of every run that ended well."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.registry.stored_samples import (
    COLUMNS,
    LIST,
    SAMPLE,
    is_drawn,
    read_probability_samples,
    write_probability_sample,
)
from models.registry.tracking import tracked
from models.survey.probability_samples import check_probability_samples


@pytest.fixture
def draw(store):
    def build(day: date, customers: list[str], chance: float = 0.1, quiet_days: int = 90) -> str:
        rows = pd.DataFrame({"customer_id": customers, "segment": "all, or none", "stratum": 1})
        with tracked(store, SAMPLE, {}) as run:
            write_probability_sample(run, rows.assign(inclusion_probability=chance), day, quiet_days)
        return run.run_id

    return build


def test_lists_come_back_as_they_were_drawn(store, draw):
    chance = 1 / 3 + np.finfo(float).eps
    draw(date(2024, 3, 1), ["NA", "007", "a,b", 'say "hi"', "ü"], chance)
    draw(date(2024, 1, 1), ["007", "null"], 1.0, quiet_days=30)
    draw(date(2024, 6, 1), ["x"])
    found = read_probability_samples(store, date(2024, 6, 1))
    assert tuple(found.columns) == COLUMNS
    assert found["customer_id"].tolist() == ["007", "null", "007", "NA", "a,b", 'say "hi"', "ü"]
    assert found["drawn_on"].tolist() == [pd.Timestamp("2024-01-01")] * 2 + [pd.Timestamp("2024-03-01")] * 5
    assert found["inclusion_probability"].tolist() == [1.0] * 2 + [chance] * 5
    assert found["quiet_days"].tolist() == [30] * 2 + [90] * 5
    pd.testing.assert_frame_equal(check_probability_samples(found, date(2024, 6, 1)), found)
    nobody = read_probability_samples(store, date(2024, 1, 1))
    assert nobody.empty
    assert nobody.dtypes.tolist() == found.dtypes.tolist()


def test_of_one_day_the_newest_list_counts_and_of_runs_those_that_ended_well(store, draw, monkeypatch):
    first = draw(date(2024, 3, 1), ["a", "b"])
    second = draw(date(2024, 3, 1), ["b", "c"], 0.2)
    assert read_probability_samples(store, date(2024, 3, 2))["customer_id"].tolist() == ["b", "c"]
    with pytest.raises(KeyboardInterrupt), tracked(store, SAMPLE, {}) as run:
        write_probability_sample(
            run, pd.DataFrame({"customer_id": ["z"], "inclusion_probability": [1.0]}), date(2024, 3, 1), 90
        )
        raise KeyboardInterrupt
    with tracked(store, "score", {}):
        pass
    assert read_probability_samples(store, date(2024, 3, 2))["customer_id"].tolist() == ["b", "c"]
    store.client.delete_run(second)
    found = read_probability_samples(store, date(2024, 3, 2))
    assert found["customer_id"].tolist() == ["a", "b"]
    assert is_drawn(store, date(2024, 3, 1))
    assert not is_drawn(store, date(2024, 3, 2))
    file = Path(store.client.download_artifacts(first, LIST))
    assert file.read_text().startswith("customer_id,segment,stratum,inclusion_probability\n")

    draw(date(2024, 4, 1), ["d"])
    monkeypatch.setattr("models.registry.stored_samples.MOST_SAMPLES", 1)
    assert read_probability_samples(store, date(2025, 1, 1))["customer_id"].tolist() == ["d"]
