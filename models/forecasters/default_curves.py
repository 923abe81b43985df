"""The default forecaster's part that is not linear: fixed random curves, of which only the mix is learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...pipeline.frames import Float32
from .default_inputs import Inputs

CURVES = 400
STRENGTH = 0.2
MOST_DEVIATIONS = 4.0  # a curve sees no input farther from its mean than so many standard deviations
LEAST_SPREAD = 0.5  # of a column's usual step; a column that stands still is not blown up


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """tanh of random directions of a column's inputs, which are measured in the spread of its last 24 values.

    Random features (Rahimi and Recht 2008), solved by ridge: no training to watch, the same each time.
    `step_db` [C] is each column's usual step; `centre`, `width` [e]; `direction` [e, u]; `offset` [u];
    `weights` [e + u, 12], of the change from the last value, in spreads.
    """

    step_db: Float32
    centre: Float32
    width: Float32
    direction: Float32
    offset: Float32
    weights: Float32

    def spread(self, inputs: Inputs) -> Float32:
        """In dB. Shape: [m, C]."""
        return np.sqrt(np.square(inputs.spread_db) + np.square(LEAST_SPREAD * self.step_db)) + np.float32(
            1e-3
        )

    def design(self, inputs: Inputs) -> Float32:
        """What the weights multiply. Shape: [m, C, e + u]."""
        seen = self.scaled(inputs, self.step_db, self.spread(inputs))
        limit = np.float32(MOST_DEVIATIONS)
        seen = np.clip((seen - self.centre) / self.width, -limit, limit)
        return np.concatenate([seen, np.tanh(seen @ self.direction + self.offset)], axis=2)

    def change(self, inputs: Inputs) -> Float32:
        """In dB. Shape: [m, C, 12]."""
        return (self.design(inputs) @ self.weights) * self.spread(inputs)[:, :, np.newaxis]

    @staticmethod
    def scaled(inputs: Inputs, step_db: Float32, spread_db: Float32) -> Float32:
        """Shape: [m, C, d + 2]: inputs in spreads, how the spread compares to the step, and the step."""
        small = np.float32(1e-3)
        relative = np.log(spread_db / (step_db + small))
        size = np.broadcast_to(np.log(step_db + small), spread_db.shape)
        return np.concatenate(
            [inputs.own / spread_db[:, :, np.newaxis], relative[:, :, np.newaxis], size[:, :, np.newaxis]],
            axis=2,
        )
