"""Lines between points beside `numpy.interp`, and columns by blocks of rows."""

import numpy as np
import pandas as pd
import pytest

from models.scoring import arrays
from models.scoring.arrays import interpolated, matrices_of


@pytest.mark.parametrize("knots", [1, 2, 22, 300])
def test_a_line_is_read_as_numpy_reads_it_to_the_last_bit(knots, monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK_ROWS", 1000)
    rng = np.random.default_rng(knots)
    x, y = np.sort(rng.normal(size=knots)), rng.normal(size=knots)
    column = np.concatenate([rng.normal(scale=2.0, size=2500), x, [np.inf, -np.inf, 0.0]])
    line = interpolated(np.append(column, np.nan), tuple(x), tuple(y))
    np.testing.assert_array_equal(line[:-1], np.interp(column, x, y))
    assert np.isnan(line[-1])


def test_blocks_of_rows_are_the_matrix(monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK_ROWS", 3)
    table = pd.DataFrame({"a": np.arange(8.0), "b": np.arange(8.0) ** 2})
    names = ("b", "absent", "a")
    parts = [(rows, block.copy()) for rows, block in matrices_of(table, names)]
    assert [(rows.start, rows.stop) for rows, _ in parts] == [(0, 3), (3, 6), (6, 8)]
    np.testing.assert_array_equal(
        np.vstack([block for _, block in parts]), table.reindex(columns=names).to_numpy(float)
    )
