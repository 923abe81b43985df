"""The encoder with what it answers while it is taught: kinds that show, the main kind, and measures."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .encoder import Encoder, EncoderConfig


@dataclass(frozen=True, slots=True)
class Answers:
    """What a batch of windows is said to hold.

    `shows` [n, kinds]: the log-odds that a kind shows; `main` [n, 1 + kinds]: the logits of the kind with
    most energy, the first for a window in which none shows; `measures` [n, measures].
    """

    shows: Tensor
    main: Tensor
    measures: Tensor


class TaughtNetwork(nn.Module):
    """An encoder and three linear layers over its features, which only the lessons need.

    Shape: windows [n, 1, 128, 128] in [0, 1] -> features [n, 8 * width]; `answers` of features.
    """

    def __init__(self, width: int, kinds: int, measures: int) -> None:
        super().__init__()
        self.encoder = Encoder(EncoderConfig(width))
        dimensions = self.encoder.config.dimensions
        self.shows = nn.Linear(dimensions, kinds)
        self.main = nn.Linear(dimensions, 1 + kinds)
        self.measures = nn.Linear(dimensions, measures)

    def forward(self, windows: Tensor) -> Tensor:
        return self.encoder(windows)

    def answers(self, features: Tensor) -> Answers:
        return Answers(self.shows(features), self.main(features), self.measures(features))
