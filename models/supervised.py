"""What labels could make of the same features: logistic regression on one half, asked about the other."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ..pipeline.frames import Float32, Int64
from .cluster_figures import Bools, Figures, agreement

MOST_ITERATIONS = 300
INVERSE_PENALTY = 0.1


def predictions_of_halves(features: Float32, truth: Int64, is_first: Bools) -> Int64:
    """For each window the truth that a classifier of the other half's windows and truths names, int64 [n].

    Multinomial logistic regression with an L2 penalty of 10 on standardised features. A truth that the
    other half lacks cannot be named. Each half must hold windows.
    """
    predicted = np.empty_like(truth)
    for asked in (is_first, ~is_first):
        known = ~asked
        if len(np.unique(truth[known])) == 1:  # nothing to tell apart
            predicted[asked] = truth[known][0]
            continue
        classifier: Any = make_pipeline(
            StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=MOST_ITERATIONS)
        )
        with threadpool_limits(1), warnings.catch_warnings():
            # Nearly there is near enough; the figure is a ceiling, not a model.
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(features[known], truth[known])
        predicted[asked] = classifier.predict(features[asked])
    return predicted


def ceiling(features: Float32, truth: Int64, is_first: Bools) -> Figures:
    """The figures of `agreement` between truth and those predictions, all windows together, and `accuracy`.

    The predictions are taken for clusters, one for each truth: where a clustering has more clusters than
    there are truths, its NMI has a harder time than this one.
    """
    predicted = predictions_of_halves(features, truth, is_first)
    return agreement(truth, predicted) | {"accuracy": float((predicted == truth).mean())}
