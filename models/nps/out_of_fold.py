"""Predictions of the NPS category for customers of whom some were trained on: theirs come from models without them."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from models.nps.model import NpsTraining, predict_nps_category
from models.stats.typing import Floats, Strings

# Answer's contribution to NPS by category: detractor, passive, promoter.
POINTS = np.array([-100.0, 0.0, 100.0])


def predict_base(batches: Iterable[pd.DataFrame], training: NpsTraining, trained_customer: Strings) -> Floats:
    """Predict probabilities (M, 3): by the model, and for customers it was trained on by their held-out fold's model.

    Parameters
    ----------
    batches
        (M rows in all) customer_id and the features.
    training
        The model and the models of its folds.
    trained_customer
        Customer of each row it was trained on.
    """
    fold_of = {} if training.fold is None else dict(zip(trained_customer, training.fold, strict=True))
    return np.concatenate([_by_held_out_fold(batch, training, fold_of) for batch in batches])


def _by_held_out_fold(people: pd.DataFrame, training: NpsTraining, fold_of: Mapping[str, int]) -> Floats:
    probabilities = predict_nps_category(training.model, people)
    fold = people["customer_id"].astype(str).map(fold_of)
    for k, model in enumerate(training.fold_models):
        own = (fold == k).to_numpy()
        if own.any():
            probabilities[own] = predict_nps_category(model, people[own])
    return probabilities


def fold_points(people: pd.DataFrame, training: NpsTraining) -> Floats:
    """Points m = 100 (p_promoter - p_detractor), (K, n), of n people with their features, by each of K fold models."""
    points = [predict_nps_category(model, people) @ POINTS for model in training.fold_models]
    return np.array(points).reshape(len(points), len(people))
