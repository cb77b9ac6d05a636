"""The screen of a run: at most 25 lines of 80 columns, with figures, what needs attention, and where all else is."""

from flows.reports.page.attention import attention
from flows.reports.page.screen import COLUMNS, LINES, screen_of

PULL = "import mlflow, pandas as pd; " + "x" * 200


def test_a_run_with_much_to_tell_fits_one_screen(figures):
    score, retrain = figures()
    table = score["intake"]["tables"]["transactions"]
    table |= {"rows_read": 1_234_567, "set_aside": 12_345, "overlaps": [{"file": "a", "other": "b", "rows": 3}]}
    score["history"] = [{**score["history"][0], "as_of": "2020-01-01"}, *score["history"]]
    score |= {
        "not_given": ["events"],
        "drift": {"verdict": "due", "why": "A retrain is due: " + "word " * 60, "notes": []},
    }
    score["intake"]["notes"] = ["A note. " * 30] * 4
    lines = screen_of(
        "Scored all.", score, retrain, {"Report": "report.html", "Pull the scores with": PULL, "No": None}
    )
    assert len(lines) <= LINES - 3
    assert [line for line in lines if len(line) > COLUMNS] == [f"  {PULL}"]
    text = "\n".join(lines)
    assert "1,234,567 rows of transactions, 12,345 set aside" in " ".join(text.split())
    assert f"{score['base']['customers']:,.0f}" in text
    for name in ("Net promoter score", "Next purchase index", "Expected revenue", "Lifetime value", "Churn"):
        assert name in text
    assert "missing here: events" in text
    assert "more in the report" in text
    # No word is cut: each stands in what was to be told.
    told = " ".join(item.told() for item in attention(score, retrain)).split()
    start, end = lines.index("Needs attention") + 1, next(k for k, line in enumerate(lines) if "more in the" in line)
    words = [word for line in lines[start:end] for word in line.removeprefix("- ").split() if word != "…"]
    assert set(words) <= set(told)


def test_where_nothing_needs_attention_the_screen_says_so(figures):
    _, retrain = figures()
    retrain |= {"nps": None, "promoted": True}
    retrain["holdout"]["measures"]["model"]["revenue_bias"] = 0.0
    retrain["nps_model"] |= {"source": None, "answers": 0}
    lines = screen_of("Trained.", None, retrain, {"Report": "report.html"})
    assert "Nothing needs attention: no refusal, no drift, no faulty data." in lines
    lines = screen_of("Trained.", None, {**retrain, "holdout": None}, {"Report": "report.html"})
    assert any(line.startswith("- There is no backtest: the history is too short") for line in lines)


def test_a_refusal_comes_first_and_wide_intervals_last(figures):
    score, retrain = figures()
    retrain |= {"promoted": False, "verdict": "refused: worse"}
    retrain["nps"] |= {"wide_low": -40.0, "wide_high": 40.0, "n_eff": 500.0}
    score["intake"]["alike_ids"] = [{}]
    told = [item.told() for item in attention(score, retrain)]
    refused = next(k for k, text in enumerate(told) if "refused by the gate" in text)
    assert told[refused + 1] == "refused: worse"
    assert told[-1] == "The 95 % interval of the NPS is 80 points wide: more answers would narrow it."
    assert refused < told.index("Some identifiers of customers differ only in how they are written.")
