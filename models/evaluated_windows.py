"""The windows that an evaluation looks at: of all that recordings give, so many, drawn evenly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Gap, Int64, PsdFrame, Window
from ..pipeline.recording import Recording
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS
from .training_windows import WINDOW_GIB, cut_windows
from .window_truth import Truth

BATCH = 256

Float16 = NDArray[np.float16]


class KnowsTruth(Protocol):
    """What knows what windows of one recording show."""

    def truth_of(self, window: Window) -> Truth | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedWindows:
    """Windows in the order of their recordings and times.

    `values` float16 [n, 128, 128]; `start_ns`, `segment`, `recording` (index into `paths`, the same for all
    channels of a file) int64 [n];
    `truths` [n], None where a window has none, or None where there is no truth at all; `given` is how many
    windows there were to draw from.
    """

    values: Float16
    start_ns: Int64
    segment: Int64
    recording: Int64
    paths: tuple[str, ...]
    truths: tuple[Truth | None, ...] | None
    given: int

    def __len__(self) -> int:
        return len(self.values)

    def batches(self) -> Iterator[Float32]:
        """The values as float32 [up to 256, 128, 128], one batch in memory at a time."""
        for first in range(0, len(self.values), BATCH):
            yield self.values[first : first + BATCH].astype(np.float32)


def gather_evaluated(
    recordings: Sequence[Recording],
    truths: Sequence[KnowsTruth] | None = None,
    *,
    most: int,
    stride_rows: int,
    seed: int = 0,
    on_row: Callable[[], None] = lambda: None,
) -> EvaluatedWindows:
    """Windows of recordings, cut as the agent cuts them, at most `most`: each that is given is as likely to
    be kept (reservoir sampling: Vitter 1985, algorithm R). `truths` are the recordings', one by one.

    Memory: 32 KiB for each of `most` windows, however long the recordings. Raises BadInput where they do not
    fit, and where a recording has not one row of numbers.
    """
    try:
        values = np.empty((most, WINDOW_ROWS, WINDOW_BINS), dtype=np.float16)
    except (MemoryError, ValueError):
        raise BadInput(f"--most-windows {most}: they need {most * WINDOW_GIB:.0f} GiB of memory") from None
    random = np.random.default_rng(seed)
    nothing = np.empty((0, 0), dtype=np.float32)
    # What is kept: number among those given, recording, facts, truth; its values at the same place above.
    kept: list[tuple[int, int, Window, Truth | None]] = []
    given = 0
    paths = [recording.path for recording in recordings]
    for index, recording in enumerate(recordings):
        for window in cut_windows(_counted(recording, on_row), stride_rows):
            place = given if given < most else int(random.integers(given + 1))
            given += 1
            if place >= most:
                continue
            values[place] = window.values
            truth = None if truths is None else truths[index].truth_of(window)
            item = (given, paths.index(recording.path), replace(window, values=nothing), truth)
            kept[place : place + 1] = [item]
        recording.require_finite_rows()
    order = sorted(range(len(kept)), key=lambda place: kept[place][0])
    ordered = [kept[place] for place in order]
    return EvaluatedWindows(
        values=_in_order(values, order),
        start_ns=np.array([window.start_ns for _, _, window, _ in ordered], dtype=np.int64),
        segment=np.array([window.segment for _, _, window, _ in ordered], dtype=np.int64),
        recording=np.array([index for _, index, _, _ in ordered], dtype=np.int64),
        paths=tuple(map(str, paths)),
        truths=None if truths is None else tuple(truth for *_, truth in ordered),
        given=given,
    )


def _counted(recording: Recording, on_row: Callable[[], None]) -> Iterator[PsdFrame | Gap]:
    for item in recording:
        yield item
        on_row()


def _in_order(values: Float16, order: Sequence[int]) -> Float16:
    """The values at `order`, put so in place: a copy would double the memory."""
    wanted = np.array(order, dtype=np.int64)
    for first in range(len(wanted)):
        source = wanted[first]
        while source < first:  # what stood there has been moved on by an earlier swap
            source = wanted[source]
        if source != first:
            values[[first, source]] = values[[source, first]]
    return values[: len(wanted)]
