"""The gate of the second stage: it enters the scores only where it ranks better and is calibrated better."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from models.stats.metrics import (
    auc,
    calibration_bins,
    clustered_standard_error,
    log_losses,
    normalised_gini,
)
from models.stats.normal import ONE_SIDED_95
from models.stats.typing import Floats

RowFigure = Callable[[npt.NDArray[np.bool_], Floats], Floats]

SECOND_STAGE = "second stage"
# Stages with equal predictions differ by rounding only, and neither wins by it.
_ROUNDING = 1e-9


class JudgedCutoff(Protocol):
    """What is judged: the customers of a cutoff with their outcomes, and the predictions by name of the stage."""

    @property
    def customers(self) -> pd.DataFrame:
        """customer_id, purchases and revenue of the horizon."""

    @property
    def predictions(self) -> Mapping[str, pd.DataFrame]:
        """p_purchase, expected_purchases and expected_revenue, row for row."""


@dataclass(frozen=True)
class StageVerdict:
    """Whether the second stage enters the scores, why, and the figures (means over the cutoffs)."""

    used: bool
    why: str
    metrics: dict[str, float]


def judge_second_stage(results: Sequence[JudgedCutoff], first: str, second: str = SECOND_STAGE) -> StageVerdict:
    """Judge the second stage beside the first over the cutoffs that have both.

    It must win on both counts, each a mean over the cutoffs:

    - Ranking: AUC of p_purchase higher by more than 1.645 standard errors of the difference (DeLong, DeLong &
      Clarke-Pearson 1988, Biometrics 44), and the normalised Gini of revenue not lower.
    - Calibration: log loss of p_purchase lower by more than 1.645 standard errors, and calibration error in shared
      deciles lower; the error in own deciles and the absolute bias of the total purchases not higher by more than
      chance gives.

    Standard errors are paired and clustered by customer. The calibration error is the mean distance of predicted from
    realised totals by decile, over the realised total: the mean of those of p_purchase, purchases and revenue. Deciles
    are shared because a stage's own deciles do not reveal that it knows less: the same expectation for everybody is
    right in its only group. So both stages are judged in the deciles of the one and in those of the other: a calibrated
    prediction is right in any group that is fixed beforehand (Hebert-Johnson et al. 2018, ICML).

    Parameters
    ----------
    results : sequence of JudgedCutoff
        Of a rolling backtest.
    first, second : str
        Names of the stages among the predictions.

    Returns
    -------
    StageVerdict
    """
    both = [result for result in results if first in result.predictions and second in result.predictions]
    both = [result for result in both if _bought(result).any() and not _bought(result).all()]
    if not both:
        why = (
            "The second stage stays out of the scores: there is no cutoff at which it could be judged beside the first."
        )
        return StageVerdict(False, why, {})
    tables = [_measure(result, first, second) for result in both]
    metrics = {name: float(np.mean([table[name] for table in tables])) for name in tables[0]}
    people = [result.customers["customer_id"].to_numpy(str) for result in both]
    for name, influence in (("auc", _auc_influence), ("log_loss", log_losses)):
        gains = [_paired(result, first, second, influence) for result in both]
        metrics[f"{name}_gain_error"] = _standard_error(gains, people)
    metrics["cutoffs"] = float(len(both))
    wins = _wins(metrics)
    return StageVerdict(all(wins.values()), _sentence(metrics, wins, first), metrics)


def _wins(m: Mapping[str, float]) -> dict[str, bool]:
    """Return each criterion and whether the second stage wins by it."""
    auc_gain, loss_gain = m["auc_second"] - m["auc_first"], m["log_loss_first"] - m["log_loss_second"]
    return {
        "AUC": auc_gain > ONE_SIDED_95 * m["auc_gain_error"] + _ROUNDING,
        "Gini": m["gini_second"] >= m["gini_first"],
        "log loss": loss_gain > ONE_SIDED_95 * m["log_loss_gain_error"] + _ROUNDING,
        "calibration error": m["calibration_second"] < m["calibration_first"],
        "calibration error in own deciles": m["own_deciles_second"] <= m["own_deciles_first"] + m["own_deciles_chance"],
        "bias": m["bias_second"] <= m["bias_first"] + m["bias_chance"],
    }


def _sentence(m: Mapping[str, float], wins: Mapping[str, bool], first: str) -> str:
    verdict = "enters the scores: it wins on ranking and on calibration"
    if not all(wins.values()):
        verdict = (
            f"stays out of the scores, for it does not win on {', '.join(n for n, won in wins.items() if not won)}"
        )
    cutoffs = f"{m['cutoffs']:.0f} cutoff{'s' * (m['cutoffs'] > 1)}"

    def beside(name: str, digits: int, unit: float = 1.0) -> str:
        return f"{unit * m[f'{name}_second']:.{digits}f} against {unit * m[f'{name}_first']:.{digits}f}"

    return (
        f"The second stage {verdict}. Over {cutoffs}, beside {first}: AUC of p_purchase {beside('auc', 3)} (standard "
        f"error of the difference {m['auc_gain_error']:.4f}), Gini of revenue {beside('gini', 3)}; log loss "
        f"{beside('log_loss', 4)} ({m['log_loss_gain_error']:.4f}); in %: calibration error in shared deciles "
        f"{beside('calibration', 1, 100)}, in own ones {beside('own_deciles', 1, 100)} (worse only where beyond the "
        f"{100 * m['own_deciles_chance']:.1f} that chance gives), absolute bias of the total purchases "
        f"{beside('bias', 1, 100)} "
        f"(standard error {100 * m['bias_chance']:.1f}; worse only where beyond it)."
    )


def _measure(result: JudgedCutoff, first: str, second: str) -> dict[str, float]:
    """Measure both stages at one cutoff."""
    bought = _bought(result)
    happened = {
        "p_purchase": bought.astype(float),
        "expected_purchases": result.customers["purchases"].to_numpy(float),
        "expected_revenue": result.customers["revenue"].to_numpy(float),
    }
    predicted = {
        stage: {figure: result.predictions[name][figure].to_numpy(float) for figure in happened}
        for stage, name in (("first", first), ("second", second))
    }
    measures: dict[str, float] = {}
    for stage, figures in predicted.items():
        errors = {
            other: [
                _error_in_deciles(predicted[other][figure], happened[figure], figures[figure]) for figure in happened
            ]
            for other in predicted
        }
        expected, purchases = figures["expected_purchases"], happened["expected_purchases"]
        measures |= {
            f"auc_{stage}": auc(bought, figures["p_purchase"]),
            f"gini_{stage}": normalised_gini(happened["expected_revenue"], figures["expected_revenue"]),
            f"log_loss_{stage}": float(np.mean(log_losses(bought, figures["p_purchase"]))),
            f"calibration_{stage}": float(np.mean([*errors["first"], *errors["second"]])),
            f"own_deciles_{stage}": float(np.mean(errors[stage])),
            f"bias_{stage}": abs(float(expected.sum() / purchases.sum()) - 1.0),
        }
    of_second = [(happened[figure], predicted["second"][figure]) for figure in happened]
    measures["own_deciles_chance"] = float(np.mean([_error_by_chance(y, figure) for y, figure in of_second]))
    measures["bias_chance"] = float(np.sqrt(np.sum((purchases - expected) ** 2)) / purchases.sum())
    return measures


def _bought(result: JudgedCutoff) -> npt.NDArray[np.bool_]:
    return np.asarray(result.customers["purchases"].to_numpy(float) > 0)


def _error_in_deciles(by: Floats, happened: Floats, predicted: Floats) -> float:
    """Sum of the distances of predicted from realised totals of the deciles of a score, over the realised total."""
    group = calibration_bins(happened, by)[0]
    return float(np.abs(np.bincount(group, weights=predicted - happened)).sum() / _total(happened))


def _error_by_chance(happened: Floats, predicted: Floats) -> float:
    """Return the error by own deciles that is to be expected where every expectation is exactly right.

    The total of a decile then has the variance of its residuals, and a normal's mean distance is sqrt(2 / pi) of its
    standard deviation.
    """
    group = calibration_bins(happened, predicted)[0]
    variance = np.bincount(group, weights=(predicted - happened) ** 2)
    return float(np.sqrt(2.0 / np.pi * variance).sum() / _total(happened))


def _total(happened: Floats) -> float:
    return max(float(happened.sum()), np.finfo(float).tiny)


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
