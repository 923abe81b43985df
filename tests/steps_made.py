"""Steps of one band, made from plain values, for whatever takes steps."""

from __future__ import annotations

import numpy as np

from bandwatch.pipeline.frames import Step, read_only

MINUTE_NS = 60_000_000_000
START_NS = 1_800_000_000_000_000_000


def as_steps(values: np.ndarray, first: int = 0) -> list[Step]:
    """Steps of a minute each, values [n, F] in dB; `first` counts minutes since the first one."""
    frequencies_hz = 868e6 + 1e3 * np.arange(values.shape[1])
    return [
        Step(
            node="node",
            band="band",
            step_s=60.0,
            start_ns=START_NS + (first + row) * MINUTE_NS,
            end_ns=START_NS + (first + row + 1) * MINUTE_NS,
            frequencies_hz=frequencies_hz,
            values=read_only(values[row].astype(np.float32)),
            rows=300,
            unit="dB",
        )
        for row in range(len(values))
    ]
