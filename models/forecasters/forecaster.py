"""What a forecaster is: it sees every step once, and forecasts the next twelve when asked."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...pipeline.frames import NS_PER_S, Float32, History, Step
from ...pipeline.state import State

HORIZON_STEPS = 12


class Forecaster(Protocol):
    """One candidate of the contest, for one band.

    Learning and forecasting are apart: `observe` may learn and is cheap; `forecast` changes nothing. A
    forecaster learns from the steps it observed and from nothing else.
    """

    @property
    def name(self) -> str:
        """What telemetry calls it."""
        ...

    def observe(self, step: Step) -> None:
        """Take the band's next step. Some may be missing before it: `follows` tells."""
        ...

    def forecast(self, history: History) -> Float32 | None:
        """The next steps, float32 [12, F] in the band's unit; None while it is not ready.

        Raises BadInput where the history is of another geometry than the forecaster was trained for.
        """
        ...

    def gap(self) -> None:
        """The next step means something else than the last one did; what was learned stays."""
        ...

    def reset(self) -> None:
        """Forget what was observed."""
        ...

    def state(self) -> State:
        """What was observed, in values that later steps do not change."""
        ...

    def restore(self, state: State) -> None:
        """Be as the forecaster that gave `state`. BadInput where it is of another kind: new, then."""
        ...


def follows(step: Step, last: Step) -> bool:
    """Whether a step is the one after `last`, on the same frequencies; times may jitter by half a step."""
    return follows_at(step, last.end_ns, last.values.shape[0])


def follows_at(step: Step, end_ns: int, frequencies: int) -> bool:
    """Whether a step is the one after that which ended then and had so many frequencies."""
    late_ns = abs(step.start_ns - end_ns)
    return step.values.shape == (frequencies,) and late_ns <= step.step_s * NS_PER_S / 2


def span_mhz(frequencies_hz: NDArray[np.float64]) -> str:
    """Number, lowest and highest of a band's frequencies, for a message."""
    low_mhz, high_mhz = frequencies_hz[0] / 1e6, frequencies_hz[-1] / 1e6
    return f"{frequencies_hz.size} at {low_mhz:.3f}..{high_mhz:.3f} MHz"
