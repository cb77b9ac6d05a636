"""Who answers a survey: the probability of answering, from behaviour."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from models.nps_trees import customer_folds

Array = npt.NDArray[np.float64]

# Inverse of the ridge penalty on standardised features. Boosted propensities are worse with a few hundred answers.
RIDGE_C = 0.1
# A customer ten standard deviations away is not ten times as informative about who answers.
LARGEST_STANDARD_VALUE = 4.0
FEWEST_ANSWERS_PER_FOLD = 2


def response_propensity(
    features: pd.DataFrame, answered: npt.ArrayLike, customer: npt.ArrayLike, seed: int = 0
) -> Array:
    """Estimate each row's probability of answering by a cross-fitted ridge logistic regression.

    Missing values are imputed by the median with a flag of their own, features are standardised; every row is
    predicted by a regression that saw no row of its customer.

    Parameters
    ----------
    features
        (n, k) doubles, NaN where not defined.
    answered
        (n,) whether the row's customer answered.
    customer
        (n,) ids.
    seed
        Of the folds; rows in any order give the same figures.

    Returns
    -------
    numpy.ndarray
        (n,) in (0, 1). The share that answered, for all, where too few rows or features allow no regression; 1 where
        all answered.
    """
    X = features.to_numpy(dtype=float, na_value=np.nan)
    R, who = np.asarray(answered).astype(bool), np.asarray(customer).astype(str)
    if not len(X) == len(R) == len(who):
        raise ValueError(f"features, answered and customer must be equally long, got {len(X)}, {len(R)}, {len(who)}")
    if R.all():
        return np.ones(len(R))
    constant = np.full(len(R), (R.sum() + 0.5) / (len(R) + 1.0))
    if X.shape[1] == 0 or np.unique(who).size < 2:
        return constant

    order = np.lexsort((*X.T[::-1], R, who))
    X, R, who = X[order], R[order], who[order]
    fold = customer_folds(who, seed)
    found = np.empty(len(R))
    for k in range(int(fold.max()) + 1):
        held_out = fold == k
        seen = R[~held_out]
        if min(seen.sum(), (~seen).sum()) < FEWEST_ANSWERS_PER_FOLD:
            return constant
        found[held_out] = _regression().fit(X[~held_out], seen).predict_proba(X[held_out])[:, 1]
    propensity = np.empty(len(R))
    propensity[order] = np.clip(found, 1e-6, 1.0)
    return propensity


def _regression() -> Pipeline:
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        FunctionTransformer(np.clip, kw_args={"a_min": -LARGEST_STANDARD_VALUE, "a_max": LARGEST_STANDARD_VALUE}),
        LogisticRegression(C=RIDGE_C, max_iter=1000),
    )
