"""How to train by DeepCluster: every setting that decides the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .precision import Precision


@dataclass(frozen=True, slots=True)
class DeepClusterConfig:
    """How to train. The first paper gives clusters, components and cycle (24, 20, 15) and width 64.

    `components` is a number of them, or below 1 the share of variance they explain; `whiten` scales them to
    unit variance. `cycle` is the epochs between two clusterings; `augmented` allows small changes to the
    windows. `precision` is that of the epochs, `auto` as `chosen_precision` says; windows are clustered in
    float32. `seed` decides every draw.
    """

    width: int = 16
    clusters: int = 24
    components: float = 20
    whiten: bool = True
    cycle: int = 15
    epochs: int = 105
    batch: int = 64
    optimizer: Literal["adam", "sgd"] = "sgd"
    learning_rate: float = 0.05
    weight_decay: float = 1e-5
    augmented: bool = True
    precision: Precision = "auto"
    seed: int = 0
