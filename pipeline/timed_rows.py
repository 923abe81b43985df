"""Rows with their times -> frames, and gaps where the times do not go on: for every reader alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frames import Float32, Gap, Int64, PsdFrame, read_only
from .readers.reader import Identity, RowFacts
from .row_times import break_between


@dataclass(frozen=True, slots=True, eq=False)
class TimedRows:
    """Rows [first, first + n) of a recording: `starts_ns` int64 [n], `power` real [n, bins]."""

    first: int
    starts_ns: Int64
    power: NDArray[Any]


def timed_frames(
    facts: RowFacts, identity: Identity, blocks: Iterable[TimedRows]
) -> Iterator[PsdFrame | Gap]:
    """Frames of rows that share the facts' axes and step, and a `Gap` at every break of their times.

    A step of more than 2.5 times `step_ns` between two rows is a hole (`source`), one of 0 or less the
    clock's fault (`clock`). Values become float32; what that cannot hold becomes infinite.
    """
    center_hz = facts.first_hz + (facts.bins - 1) / 2 * facts.bin_hz
    before_ns: int | None = None
    for block in blocks:
        power_db = as_power(block.power)
        for row, row_ns in enumerate(block.starts_ns.tolist()):
            seq = block.first + row
            if before_ns is not None:
                found = break_between(before_ns, row_ns, seq, facts.step_ns)
                if found is not None:
                    yield Gap(
                        node=identity.node,
                        band=identity.band,
                        after_seq=seq - 1,
                        lost_rows=found.lost_rows,
                        lost_samples=None,
                        reason=found.reason,
                        time_ns=before_ns + facts.step_ns,
                    )
            yield PsdFrame(
                node=identity.node,
                band=identity.band,
                stream=identity.stream,
                seq=seq,
                time_ns=row_ns,
                duration_ns=facts.step_ns,
                center_hz=center_hz,
                bin_hz=facts.bin_hz,
                power_db=power_db[row],
                unit=facts.unit,
            )
            before_ns = row_ns


def as_power(values: NDArray[Any]) -> Float32:
    """A read-only float32 copy, row-major; what float32 cannot hold becomes infinite."""
    with np.errstate(over="ignore"):
        return read_only(np.array(values, dtype=np.float32, order="C"))
