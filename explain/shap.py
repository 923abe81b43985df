"""SHAP values of a forecasting network as expected gradients, sampled.

Erion, Janizek, Sturmfels, Lundberg and Lee, "Improving performance of deep learning models with axiomatic
attribution priors and expected gradients" (2021), what the shap library calls GradientExplainer and the third
paper uses: the mean, over baselines b from the training data and places a between 0 and 1, of (x - b) times
the gradient at b + a (x - b). `shap_exact` goes along each of the paths instead.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32
from .frozen_network import FrozenNetwork, Target, mean_of_outputs

SAMPLES = 128
BATCH = 512


class ExpectedGradients:
    """How much each value of a history adds to the target, against histories of the training.

    `background` [b, 24, F] are those histories. `samples` pairs (and so many more that all histories come
    equally often, where not fewer than there are) of one of them and a place on the way from it are drawn
    once, so that a window's values depend on no other window. Places are spread evenly between 0 and 1, also
    those of one history. The network is used as it is now, and never touched.
    """

    def __init__(
        self,
        network: nn.Module,
        background: Float32,
        *,
        target: Target = mean_of_outputs,
        samples: int = SAMPLES,
        seed: int = 0,
        batch: int = BATCH,
    ) -> None:
        self._frozen = FrozenNetwork(network, target)
        baselines = self._frozen.tensor(background)
        if not len(baselines) or samples < 1:
            raise BadInput(f"{len(baselines)} background histories and {samples} samples, needs 1 of each")
        draw = np.random.default_rng(seed)
        rounds = -(-samples // len(baselines))
        # Round after round goes once through all histories, a little farther along the way.
        chosen = np.concatenate([draw.permutation(len(baselines)) for _ in range(rounds)])
        chosen = chosen if rounds > 1 else chosen[:samples]
        places = (np.arange(len(chosen)) + draw.random(len(chosen))) / len(chosen)
        self._windows = max(1, batch // len(chosen))  # at a time
        with torch.inference_mode(False), torch.no_grad():
            self._baselines = baselines[torch.from_numpy(chosen).to(baselines.device)]  # [samples, 24, F]
            self._places = torch.from_numpy(places).to(baselines.device)[:, None, None]
            self.expected = float(self._frozen.targets(self._baselines).mean())
            """The target's mean over the baselines: values say how a window departs from it."""

    def attribute(self, histories: Float32) -> Float32:
        """What each value adds to or takes from the target; their sum is nearly target minus `expected`.

        Shape: scaled histories [n, 24, F] -> float32 [n, 24, F], signed, the target's units. Raises BadInput
        for another shape than the background's or values that are not finite.
        """
        values = self._frozen.tensor(histories)
        if values.shape[2] != self._baselines.shape[2]:
            raise BadInput(f"histories of {values.shape[2]} frequencies, needs {self._baselines.shape[2]}")
        found = [self._of(window) for window in values.split(self._windows)]
        return torch.cat(found).to(torch.float32).cpu().numpy()

    def gaps(self, histories: Float32, attributions: Float32) -> Float32:
        """How far the values of each window miss their sum, target minus `expected` (completeness); [n].

        What is missing comes of having sampled the ways and not gone along them.
        """
        with torch.no_grad():
            targets = self._frozen.targets(self._frozen.tensor(histories)).cpu().numpy()
        sums = attributions.sum(axis=(1, 2), dtype=np.float64)
        return (sums - (targets - self.expected)).astype(np.float32)

    def _of(self, windows: Tensor) -> Tensor:
        """Of some windows, [w, 24, F]."""
        away = windows[:, None] - self._baselines  # [w, samples, 24, F]
        points = self._baselines + self._places * away
        gradients = self._frozen.gradients(points.flatten(0, 1)).view_as(away)
        return (away * gradients).mean(dim=1)


def frequency_importance(attributions: Float32) -> Float32:
    """Mean size of what a frequency adds or takes, over all windows and steps: [n, 24, F] -> [F]."""
    return np.abs(attributions).mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
