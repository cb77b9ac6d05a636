"""The level of a release's NPS probabilities in its base, and the points that cut its scores into categories."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from features.describe import everyone_described
from features.tables import Tables
from models.release.release import Release
from models.scoring.boosted.trees import Trees
from models.scoring.members import CategoryParameters
from models.scoring.nps import NO_OFFSETS, latent_probabilities, latent_scores, shifted_probabilities
from models.scoring.scorer import parse_trees
from models.stats.typing import Floats

# What the names of an NPS model's trees begin with in a release.
NPS_TREES = "nps_"
# Weight and probabilities of a member.
Part = tuple[float, Floats]
_STEPS = 50
_PRECISION = 1e-12
# A share of 0 has no logarithm.
_LEAST_SHARE = 1e-4
# Stored digits: sums of a base may differ in the last ones.
_DIGITS = 9


def parts_of_everyone(tables: Tables, release: Release) -> list[Part]:
    """Predict everyone at the release's as_of by each member of its NPS model, without offsets: once a run.

    Returns
    -------
    list of tuple of (float, numpy.ndarray)
        Weight and probabilities (M, 3) of each member, in the order of `features.describe.everyone_described`.
    """
    nps = release.parameters.nps
    boosters = {
        name.removeprefix(NPS_TREES): text for name, text in release.boosters.items() if name.startswith(NPS_TREES)
    }

    def predicted() -> list[Part]:
        described = everyone_described(tables, release.as_of, release.vocabulary)
        # Where a feature is not in the table it counts as missing.
        columns = ["customer_id", *(name for name in nps.features if name in described.columns)]
        return _parts_of_batches(nps, parse_trees(boosters), described.batches(columns))

    key = ("parts", release.as_of, json.dumps(release.vocabulary.to_dict()), nps.features, nps.prior, nps.members)
    return tables.workspace.once((*key, *boosters.items()), predicted)


def probabilities_of_everyone(tables: Tables, release: Release) -> Floats | None:
    """Give the NPS probabilities (M, 3) of everyone at the release's as_of; None where it has no NPS model."""
    nps = release.parameters.nps
    return None if nps.source is None else _moved(parts_of_everyone(tables, release), nps.offsets)


def with_level(tables: Tables, release: Release, shares: Floats | None) -> Release:
    """Return a release whose probabilities sum to given shares over its base, and with its cut points.

    Those who answer differ from those who do not, and a model that is shrunk towards the shares of its answers is then
    off for everyone: its level is that of those who answered. Its ranking stays.

    Parameters
    ----------
    tables
        The shop's checked tables.
    release
        Freshly fitted; one without an NPS model, or one whose model was carried over, is returned as it is.
    shares
        (3,) estimated shares of detractors, passives and promoters in the base (`models.survey.aipw.class_shares`);
        None leaves the level.
    """
    nps = release.parameters.nps
    if nps.source is None or release.training is None:
        return release
    parts = parts_of_everyone(tables, release)
    return release.with_nps(_at_level(nps, parts, shares)) if len(parts[0][1]) else release


def levelled(
    nps: CategoryParameters,
    boosters: Mapping[str, Trees],
    batches: Iterable[pd.DataFrame],
    shares: Floats | None,
) -> CategoryParameters:
    """Return an NPS model, with its trees, whose probabilities sum to the shares over a base; see `with_level`.

    The base comes in batches, and only its probabilities are kept.
    """
    return _at_level(nps, _parts_of_batches(nps, boosters, batches), shares)


def _at_level(nps: CategoryParameters, parts: Sequence[Part], shares: Floats | None) -> CategoryParameters:
    offsets = NO_OFFSETS if shares is None else level_offsets(parts, shares)
    return replace(nps, offsets=offsets, cuts=category_cuts(_moved(parts, offsets)) if nps.source == "model" else None)


def _moved(parts: Sequence[Part], offsets: Sequence[float]) -> Floats:
    return np.asarray(sum(weight * shifted_probabilities(p, offsets) for weight, p in parts))


def _parts_of_batches(
    nps: CategoryParameters, boosters: Mapping[str, Trees], batches: Iterable[pd.DataFrame]
) -> list[Part]:
    of_batches = [_parts(nps, boosters, batch) for batch in batches]
    # Member by member, and what a batch holds of one goes at once: of a large base little is there twice.
    weights = [weight for weight, _ in of_batches[0]]
    return [(weight, np.concatenate([parts.pop(0)[1] for parts in of_batches])) for weight in weights]


def _parts(nps: CategoryParameters, boosters: Mapping[str, Trees], described: pd.DataFrame) -> list[Part]:
    """Give the weight and the probabilities (M, 3) of each member, without offsets."""
    if nps.source == "prior":
        return [(1.0, np.tile(np.asarray(nps.prior, dtype=float), (len(described), 1)))]
    X = described.reindex(columns=list(nps.features)).to_numpy(dtype=float, na_value=np.nan)
    return [(member.weight, latent_probabilities(member, latent_scores(member, boosters, X))) for member in nps.members]


def level_offsets(parts: Sequence[Part], shares: Floats) -> tuple[float, float, float]:
    """Find what to add to the logarithms of the members' probabilities so that the means of the blend are the shares.

    Parameters
    ----------
    parts
        Of each member its weight and its probabilities (n, 3).
    shares
        (3,) to reach.

    Returns
    -------
    tuple of float
        Of detractor, passive (0) and promoter, by Newton's method.
    """
    target = np.maximum(shares, _LEAST_SHARE)
    target, offsets = target / target.sum(), np.zeros(3)
    free = [0, 2]
    for _ in range(_STEPS):
        moved = [(weight, shifted_probabilities(p, offsets.tolist())) for weight, p in parts]
        mean = sum(weight * p.mean(axis=0) for weight, p in moved)
        excess = np.asarray(mean - target)
        if np.abs(excess).max() < _PRECISION:
            break
        slopes = np.diag(mean) - sum(weight * (p.T @ p) / len(p) for weight, p in moved)
        step = np.linalg.solve(slopes[np.ix_(free, free)], excess[free])
        offsets[free] -= step * min(1.0, 1.0 / np.abs(step).max())
    detractor, passive, promoter = (round(float(each), _DIGITS) for each in offsets)
    return detractor, passive, promoter


def category_cuts(probabilities: Floats) -> tuple[float, float]:
    """Find the scores p_promoter - p_detractor that give each category the share its probabilities sum to.

    A cut lies halfway between the two scores it parts.
    """
    scores, share = np.sort(probabilities[:, 2] - probabilities[:, 0]), probabilities.mean(axis=0)
    return _between(scores, share[0]), _between(scores, 1.0 - share[2])


def _between(scores: Sequence[float] | Floats, share: float) -> float:
    """Give the value below which a share of the ascending scores lies."""
    below = round(share * len(scores))
    if below <= 0:
        return float(scores[0])
    if below >= len(scores):
        return float(np.nextafter(scores[-1], np.inf))
    return float((scores[below - 1] + scores[below]) / 2.0)
