"""Guided backpropagation where hand-made features stand behind the encoder's."""

import numpy as np
import pytest
import torch

from bandwatch.explain.cluster_scores import DistanceScores, HeadScores
from bandwatch.explain.guided_backprop import GuidedBackprop
from bandwatch.models.clustering import fit_projection
from bandwatch.models.encoder import Encoder, EncoderConfig
from bandwatch.models.head import Head
from bandwatch.models.measures import fit_measures
from bandwatch.models.window_features import window_features
from bandwatch.pipeline.errors import BadInput


def test_they_count_in_the_score_and_have_no_part_in_the_map():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(4)).eval()
    windows = np.random.default_rng(0).random((12, 128, 128), dtype=np.float32)
    windows[::2, 40:60, 20:40] = 0.9
    with torch.inference_mode():
        encoded = encoder(torch.from_numpy(windows)[:, None]).numpy()
    measures = fit_measures(window_features(windows), encoded, share=1.0)
    features = np.concatenate([encoded, measures.features(windows)], axis=1)
    projection = fit_projection(features, 5)
    points = projection.points(features)
    centres = points[[0, 1]] + 0.3
    explainer = GuidedBackprop(encoder, DistanceScores(projection, centres), measures=measures)
    clusters = np.array([0, 1] * 6)
    maps = explainer.attribute(windows, clusters)

    # By the encoder's features, minus the squared distance of a point from a centre has the gradient
    # 2 (centre - point) through the components: that of a linear score with these weights.
    components = projection.components / projection.scale[:, None]
    for number, cluster in enumerate(clusters):
        weight = (2 * (centres[cluster] - points[number]) @ components)[None, : encoded.shape[1]]
        linear = HeadScores(Head(weight.astype(np.float32), np.zeros(1, np.float32), projection, centres[:1]))
        expected = GuidedBackprop(encoder, linear).attribute(windows[number : number + 1])[0]
        np.testing.assert_allclose(maps[number], expected, atol=2e-4 * np.abs(expected).max())

    with pytest.raises(BadInput, match=r"^scores of \d+ features, the encoder gives \d+$"):
        GuidedBackprop(encoder, DistanceScores(projection, centres))
