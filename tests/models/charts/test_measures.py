from datetime import date, timedelta

import numpy as np
import pandas as pd

from models.charts.measures import plot_history

DAYS = 30


def history(**values):
    rows = [
        {"measure": name, "title": name.upper(), "unit": "%", "end": date(2024, 1, 1) + timedelta(days=DAYS * k)}
        | {"value": value, "low": value - 1, "high": value + 1}
        for name, of_measure in values.items()
        for k, value in enumerate(of_measure)
    ]
    return pd.DataFrame(rows)


def test_each_measure_with_a_history_has_a_panel_in_the_order_of_time():
    table = history(csat=[1.0, 2.0, 3.0], ces=[np.nan, 5.0, 4.0], nps=[np.nan, np.nan, 7.0])
    figure = plot_history(table.sample(frac=1.0, random_state=0), DAYS)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.axison}
    assert set(panels) == {"CSAT (%)", "CES (%)"}
    assert panels["CSAT (%)"].lines[0].get_ydata().tolist() == [1.0, 2.0, 3.0]
    assert panels["CES (%)"].lines[0].get_ydata().tolist() == [5.0, 4.0]
    assert "30 days" in figure.get_suptitle()


def test_without_a_history_there_is_no_picture():
    assert plot_history(history(csat=[np.nan, 3.0]), DAYS) is None
