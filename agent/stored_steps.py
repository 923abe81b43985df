"""A band's steps as its route had them, read again from the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from ..models.forecasters.forecaster import follows
from ..models.step_table import StepTable
from ..pipeline.frames import NS_PER_S, SAME_MEANING, Gap, Step, read_only
from ..pipeline.masks import Mask
from ..pipeline.steps import Steps
from ..pipeline.store_reading import newest_rows

MOST_STEPS = 8 * 24 * 60
_Before = Literal["nothing", "hole", "change"]


def stored_steps(
    directory: Path,
    node: str,
    band: str,
    *,
    mask: Mask,
    step_s: float,
    days: float,
    most_rows: int,
    told: Callable[[str], None],
) -> StepTable | None:
    """The steps of a band's newest rows, of so many days and 11,520 at most; None where there is none.

    Only those of one geometry, unit and gain: those from the last change of it on. Breaks are where steps
    are missing or rows began to mean something else. BadInput where there is no store.
    """
    stage = Steps(step_s)
    found: deque[tuple[Step, _Before]] = deque(maxlen=MOST_STEPS)
    changed = False
    for _, item in newest_rows(directory, node, band, most_rows, told):
        if isinstance(item, Gap):
            mask.gap(item)
            stage.gap(item)
            changed = changed or item.reason not in SAME_MEANING
            continue
        for masked in mask.push(item):
            for step in stage.push(masked):
                before: _Before = "nothing"
                if found and _measure(step) != _measure(found[-1][0]):
                    found.clear()
                elif found and changed:
                    before = "change"
                elif found and not follows(step, found[-1][0]):
                    before = "hole"
                found.append((step, before))
                changed = False
    if not found:
        return None
    begin_ns = found[-1][0].end_ns - round(days * 86_400 * NS_PER_S)
    return _table([each for each in found if each[0].end_ns > begin_ns])


def _measure(step: Step) -> tuple[object, ...]:
    return step.step_s, step.frequencies_hz.tobytes(), step.unit, step.gain_db


def _table(found: list[tuple[Step, _Before]]) -> StepTable:
    last = found[-1][0]
    return StepTable(
        node=last.node,
        band=last.band,
        unit=last.unit,
        step_s=last.step_s,
        frequencies_hz=last.frequencies_hz,
        values=read_only(np.stack([step.values for step, _ in found])),
        end_ns=read_only(np.array([step.end_ns for step, _ in found], np.int64)),
        breaks=tuple(row for row, (_, before) in enumerate(found) if row and before != "nothing"),
        changes=tuple(row for row, (_, before) in enumerate(found) if row and before == "change"),
    )
