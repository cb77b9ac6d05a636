"""What of a run needs attention, the most urgent first: refusals, drift, faults of the data, wide intervals.

The page and the terminal tell the same; each item is a message of the catalogue with its values, or a sentence of the
run's own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Figures = Mapping[str, Any]

# From this width on the 95 % interval of the base's NPS tells little.
WIDE_INTERVAL = 20.0
FEW_EFFECTIVE_ANSWERS = 100
# A total that was forecast so far off is told.
LARGE_BIAS = 0.15


def _(message: str) -> str:
    """Mark a message for the catalogue; it is translated where it is shown."""
    return message


@dataclass(frozen=True)
class Item:
    """One thing to attend to.

    Attributes
    ----------
    message : str
        With named places.
    values : Mapping
        What stands there.
    is_foreign : bool
        Whether it is a sentence of a run's, in English and with all of its values.
    is_summary : bool
        Whether such a sentence follows and says the same, so that a reader of English needs that one only.
    """

    message: str
    values: Mapping[str, Any] = field(default_factory=dict)
    is_foreign: bool = False
    is_summary: bool = False

    def told(self, gettext: Callable[[str], str] = str) -> str:
        """Say it, in English unless told otherwise."""
        return self.message if self.is_foreign else gettext(self.message) % dict(self.values)


def attention(score: Figures | None, retrain: Figures | None) -> list[Item]:
    """List what needs attention.

    Parameters
    ----------
    score, retrain : Mapping or None
        The figures of a scoring and of the retraining of its scorer, as `flows.reports.page` keeps them.
    """
    items = [*_of_retrain(retrain)] if retrain else []
    items = [*(_of_score(score) if score else ()), *items]
    newest = score or retrain
    return [*items, *(_of_intake(newest["intake"]) if newest else ()), *(_of_intervals(retrain) if retrain else ())]


def _of_score(score: Figures) -> Iterator[Item]:
    if score["why_not_current"]:
        yield Item(_("These are not the current scores: %(why)s."), {"why": score["why_not_current"]})
    if score["not_given"]:
        message = _("Tables that the scorer was trained with are missing here: %(tables)s. Name them for this run too.")
        yield Item(message, {"tables": ", ".join(score["not_given"])})
    if score["without_behaviour"]:
        message = _(
            "%(customers)s customers are scored by the purchase models alone, as their behaviour is missing here."
        )
        yield Item(message, {"customers": f"{score['without_behaviour']:,}"})
    if score["drift"]["verdict"] == "due":
        yield Item(_("A retrain is due."), is_summary=True)
        yield Item(score["drift"]["why"], is_foreign=True)
    if score["scorer_as_of"] > score["as_of"]:
        yield Item(_("The scorer was trained after the date of these scores."))


def _of_retrain(retrain: Figures) -> Iterator[Item]:
    if not retrain["promoted"]:
        yield Item(_("Scorer %(scorer)s was refused by the gate; the champion stays."), {"scorer": retrain["scorer"]})
        yield Item(retrain["verdict"], is_foreign=True)
    if retrain["nps_model"]["source"] is None and retrain["nps_model"]["answers"]:
        yield Item(_("There is no NPS model: the answers are too few to learn from."))
    elif retrain["nps_model"]["source"] == "prior":
        yield Item(_("Nothing in behaviour tells the categories apart: everyone has the shares of all answers."))
    held = retrain["holdout"]
    if held is None:
        yield Item(_("There is no backtest: the history is too short for one, or nobody bought again."))
    bias = None if held is None else held["measures"].get("model", {}).get("revenue_bias")
    if bias is not None and abs(bias) > LARGE_BIAS:
        message = _("The revenue forecast of the backtest was %(bias)s %% off in total.")
        yield Item(message, {"bias": f"{100 * bias:+.0f}"})


def _of_intake(intake: Figures) -> Iterator[Item]:
    for name, table in intake["tables"].items():
        if table["set_aside"]:
            share = 100 * table["set_aside"] / max(table["rows_read"], 1)
            message = _("%(table)s: %(rows)s rows were set aside, %(share)s %%.")
            yield Item(message, {"table": name, "rows": f"{table['set_aside']:,}", "share": f"{share:.1f}"})
        if table["overlaps"]:
            message = _("%(table)s: rows of one file stand in another file as well.")
            yield Item(message, {"table": name})
    if intake["alike_ids"]:
        yield Item(_("Some identifiers of customers differ only in how they are written."))
    for note in intake["notes"]:
        yield Item(note, is_foreign=True)


def _of_intervals(retrain: Figures) -> Iterator[Item]:
    nps = retrain["nps"]
    if nps is None:
        return
    if nps["n_eff"] < FEW_EFFECTIVE_ANSWERS:
        message = _("The NPS rests on %(answers)s effective answers only: read the interval, not the estimate alone.")
        yield Item(message, {"answers": f"{nps['n_eff']:,.0f}"})
    elif nps["wide_high"] - nps["wide_low"] > WIDE_INTERVAL:
        message = _("The 95 %% interval of the NPS is %(points)s points wide: more answers would narrow it.")
        yield Item(message, {"points": f"{nps['wide_high'] - nps['wide_low']:.0f}"})
