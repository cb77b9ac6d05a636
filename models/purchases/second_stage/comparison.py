"""Both stages side by side at past cutoffs: how well they tell customers apart, and, apart from it, their level."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import rankdata

from models.purchases.second_stage.levels import level_of_buyers
from models.stats.metrics import auc, clustered_standard_error, log_losses, normalised_gini
from models.stats.typing import Floats

RowFigure = Callable[[npt.NDArray[np.bool_], Floats], Floats]

SECOND_STAGE = "second stage"
# Probabilities nearer to 0 or 1 have no log odds.
_CERTAIN = 1e-12


class JudgedCutoff(Protocol):
    """What is judged: the customers of a cutoff with their outcomes, and the predictions by name of the stage."""

    @property
    def customers(self) -> pd.DataFrame:
        """customer_id, purchases and revenue of the horizon."""

    @property
    def predictions(self) -> Mapping[str, pd.DataFrame]:
        """p_purchase, expected_purchases and expected_revenue, row for row."""


@dataclass(frozen=True)
class StageComparison:
    """How the second stage served beside the first, in sentences, and the figures (means over the cutoffs)."""

    why: str
    metrics: dict[str, float]


def compare_stages(results: Sequence[JudgedCutoff], first: str, second: str = SECOND_STAGE) -> StageComparison:
    """Compare the stages over the cutoffs that have both.

    Ranking and level are two questions. The first is told by the AUC of p_purchase (its error by DeLong, DeLong &
    Clarke-Pearson 1988, Biometrics 44), by the normalised Gini of revenue, and by the log loss after the log odds of
    each stage were moved to the realised number of buyers; the second by the bias of the totals. The log loss as it is
    has both. Standard errors are paired and clustered by customer.

    Parameters
    ----------
    results : sequence of JudgedCutoff
        Of a rolling backtest.
    first, second : str
        Names of the stages among the predictions.
    """
    both = [result for result in results if first in result.predictions and second in result.predictions]
    both = [result for result in both if _bought(result).any() and not _bought(result).all()]
    if not both:
        return StageComparison("There is no cutoff at which the second stage could be judged beside the first.", {})
    tables = [_measure(result, first, second) for result in both]
    metrics = {name: float(np.mean([table[name] for table in tables])) for name in tables[0]}
    people = [result.customers["customer_id"].to_numpy(str) for result in both]
    for name, influence in (("auc", _auc_influence), ("log_loss", log_losses)):
        gains = [_paired(result, first, second, influence) for result in both]
        metrics[f"{name}_gain_error"] = _standard_error(gains, people)
    metrics["cutoffs"] = float(len(both))
    return StageComparison(_sentences(metrics), metrics)


def _sentences(m: Mapping[str, float]) -> str:
    def beside(name: str, digits: int, unit: float = 1.0) -> str:
        return f"{unit * m[f'{name}_second']:.{digits}f} against {unit * m[f'{name}_first']:.{digits}f}"

    cutoffs = int(m["cutoffs"])
    return (
        f"Second stage against the first, over {cutoffs} cutoff{'s' * (cutoffs > 1)}. Ranking: AUC of p_purchase "
        f"{beside('auc', 3)} (standard error of the difference {m['auc_gain_error']:.4f}), Gini of revenue "
        f"{beside('gini', 3)}, log loss with the number of buyers set right {beside('ranking_loss', 4)}. Level: "
        f"absolute bias of the number of buyers {beside('buyers_bias', 1, 100)} %, of purchases "
        f"{beside('bias', 1, 100)} %. Both together: log loss {beside('log_loss', 4)} (standard error of the "
        f"difference {m['log_loss_gain_error']:.4f})."
    )


def _measure(result: JudgedCutoff, first: str, second: str) -> dict[str, float]:
    """Measure both stages at one cutoff."""
    bought = _bought(result)
    purchases, revenue = (result.customers[name].to_numpy(float) for name in ("purchases", "revenue"))
    measures: dict[str, float] = {}
    for stage, name in (("first", first), ("second", second)):
        p, expected, value = (
            result.predictions[name][figure].to_numpy(float)
            for figure in ("p_purchase", "expected_purchases", "expected_revenue")
        )
        odds = logit(np.clip(p, _CERTAIN, 1.0 - _CERTAIN))
        at_realised_level = expit(odds + level_of_buyers(odds, float(bought.sum())))
        measures |= {
            f"auc_{stage}": auc(bought, p),
            f"gini_{stage}": normalised_gini(revenue, value),
            f"ranking_loss_{stage}": float(np.mean(log_losses(bought, at_realised_level))),
            f"log_loss_{stage}": float(np.mean(log_losses(bought, p))),
            f"buyers_bias_{stage}": abs(float(p.sum() / bought.sum()) - 1.0),
            f"bias_{stage}": abs(float(expected.sum() / purchases.sum()) - 1.0),
        }
    return measures


def _bought(result: JudgedCutoff) -> npt.NDArray[np.bool_]:
    return np.asarray(result.customers["purchases"].to_numpy(float) > 0)


def _auc_influence(bought: npt.NDArray[np.bool_], p: Floats) -> Floats:
    """Return each row's influence on the AUC, mean 0: DeLong's placement less the AUC, over the share of its kind."""
    ranks = rankdata(p)
    influence = np.empty(len(p))
    for kind in (bought, ~bought):
        others = len(p) - kind.sum()
        below = (ranks[kind] - rankdata(p[kind])) / others
        placed = below if kind is bought else 1.0 - below
        influence[kind] = (placed - placed.mean()) * len(p) / kind.sum()
    return influence


def _paired(result: JudgedCutoff, first: str, second: str, of_row: RowFigure) -> Floats:
    """Return the difference of a row's figure between the stages."""
    bought = _bought(result)
    one, two = (of_row(bought, result.predictions[name]["p_purchase"].to_numpy(float)) for name in (first, second))
    return two - one


def _standard_error(gains: Sequence[Floats], people: Sequence[npt.NDArray[np.str_]]) -> float:
    """Return the standard error of the mean over cutoffs of the mean gains, clustered by customer over the cutoffs."""
    rows = sum(len(gain) for gain in gains)
    # A cutoff counts as one, however many customers it has.
    even = [gain * rows / (len(gains) * len(gain)) for gain in gains]
    centred = [gain - gain.mean() for gain in even]
    return clustered_standard_error(np.concatenate(centred), np.concatenate(people))
