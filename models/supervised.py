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
from .clustering import fit_centres, fit_projection

MOST_ITERATIONS = 300
INVERSE_PENALTY = 0.1


def probabilities_of_halves(features: Float32, truth: Int64, is_first: Bools) -> Float32:
    """For each window how probable each truth is to a classifier of the other half's windows and truths,
    float32 [n, 1 + largest truth].

    Multinomial logistic regression with an L2 penalty of 10 on standardised features. A truth that the
    other half lacks has probability 0. Each half must hold windows.
    """
    probable = np.zeros((len(truth), int(truth.max()) + 1), dtype=np.float32)
    for asked in (is_first, ~is_first):
        known = ~asked
        if len(np.unique(truth[known])) == 1:  # nothing to tell apart
            probable[asked, truth[known][0]] = 1
            continue
        classifier: Any = make_pipeline(
            StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=MOST_ITERATIONS)
        )
        with threadpool_limits(1), warnings.catch_warnings():
            # Nearly there is near enough; the figure is a ceiling, not a model.
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(features[known], truth[known])
        probable[np.ix_(asked, classifier.classes_)] = classifier.predict_proba(features[asked])
    return probable


def predicted_ceiling(truth: Int64, probable: Float32) -> Figures:
    """The figures of `agreement` between truth and the most probable one, all windows, and `accuracy`.

    The predictions are taken for clusters, one for each truth: where a clustering has more clusters than
    there are truths, its NMI has a harder time than this one.
    """
    predicted = probable.argmax(axis=1).astype(np.int64)
    return agreement(truth, predicted) | {"accuracy": float((predicted == truth).mean())}


def clustered_ceiling(
    truth: Int64, probable: Float32, *, clusters: int, components: int, seed: int
) -> Figures:
    """The figures of `agreement` between truth and a k-means of the probabilities, of as many clusters as
    the features are given: what labels change, and nothing else."""
    points = fit_projection(probable, components, whiten=False).points(probable)
    return agreement(truth, fit_centres(points, clusters, seed)[1])
