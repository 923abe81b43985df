"""The steps of a band as one table: what forecasters are trained and measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import (
    NS_PER_S,
    SAME_MEANING,
    Float32,
    Gap,
    Int64,
    PowerUnit,
    PsdFrame,
    Step,
    read_only,
)
from ..pipeline.simulator import Simulator
from ..pipeline.steps import Steps
from .forecasters.forecaster import follows, span_mhz
from .unbroken import unbroken


@dataclass(frozen=True, slots=True, eq=False)
class StepTable:
    """Consecutive steps of one band: `values` float32 [n, F] in `unit`, their ends int64 [n].

    A row whose index is in `breaks` does not follow the row before it: nothing may span the two. Of these
    breaks, `changes` are where rows began to mean something else; at the others steps are only missing.
    """

    node: str
    band: str
    unit: PowerUnit
    step_s: float
    frequencies_hz: NDArray[np.float64]
    values: Float32
    end_ns: Int64
    breaks: tuple[int, ...] = ()
    changes: tuple[int, ...] = ()

    def steps(self) -> list[Step]:
        """The rows as the steps they were, for driving a contest; gaps are where `breaks` says."""
        step_ns = round(self.step_s * NS_PER_S)
        return [
            Step(
                node=self.node,
                band=self.band,
                step_s=self.step_s,
                start_ns=int(end_ns) - step_ns,
                end_ns=int(end_ns),
                frequencies_hz=self.frequencies_hz,
                values=read_only(values.copy()),
                rows=1,
                unit=self.unit,
            )
            for values, end_ns in zip(self.values, self.end_ns, strict=True)
        ]


@dataclass(slots=True)
class _Gathered:
    unit: PowerUnit
    steps: list[Step] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)


def gather_steps(
    sources: Iterable[Iterable[PsdFrame | Gap]],
    *,
    step_s: float = 60.0,
    on_step: Callable[[], None] = lambda: None,
    on_item: Callable[[PsdFrame | Gap], None] = lambda _item: None,
) -> list[StepTable]:
    """Aggregate recordings into one table a band, as the agent would: `pipeline/steps.py`.

    Sources of the same node and band are joined in the order given, with a break between them. `on_item`
    is told of each row and gap as a route would take it, before the steps that it completes. Raises
    BadInput where a band's unit, step or frequencies change. A band of which no step was completed has no
    table.
    """
    gathered: dict[tuple[str, str], _Gathered] = {}
    for source in sources:
        for step, broken in _steps_of(source, step_s, on_item):
            band = gathered.setdefault((step.node, step.band), _Gathered(step.unit))
            _add(band, step, broken)
            on_step()
    return [_table(band) for band in gathered.values()]


def simulated_rows(seed: int, steps: int, step_s: float) -> Iterator[PsdFrame]:
    """As much of the endless simulated band as gives `steps` steps of `step_s` seconds."""
    simulator = Simulator(seed)
    end_ns = simulator.start_ns + round(steps * step_s * NS_PER_S)
    for frame in simulator.frames():
        if frame.time_ns >= end_ns:
            return
        yield frame


def _steps_of(
    source: Iterable[PsdFrame | Gap], step_s: float, on_item: Callable[[PsdFrame | Gap], None]
) -> Iterator[tuple[Step, bool]]:
    """Steps of one source, and whether rows began to mean something else since the one before."""
    stage = Steps(step_s)
    broken = True
    for item in unbroken(source):
        on_item(item)
        if isinstance(item, Gap):
            stage.gap(item)
            broken = broken or item.reason not in SAME_MEANING
            continue
        for step in stage.push(item):
            yield step, broken
            broken = False


def _add(band: _Gathered, step: Step, broken: bool) -> None:
    if band.steps:
        last, name = band.steps[-1], f"{step.node}/{step.band}"
        if step.unit != band.unit:
            change = f"from {band.unit} to {step.unit}"
            raise BadInput(f"band {name}: unit changes {change}, it must stay the same")
        if step.step_s != last.step_s:
            change = f"from {last.step_s:g} to {step.step_s:g} s"
            raise BadInput(f"band {name}: step changes {change}, it must stay the same")
        if not np.array_equal(step.frequencies_hz, last.frequencies_hz):
            change = f"from {span_mhz(last.frequencies_hz)} to {span_mhz(step.frequencies_hz)}"
            raise BadInput(f"band {name}: frequencies change {change}, they must stay the same")
        if broken or not follows(step, last):
            band.breaks.append(len(band.steps))
        if broken:
            band.changes.append(len(band.steps))
    band.steps.append(step)


def _table(band: _Gathered) -> StepTable:
    first = band.steps[0]
    return StepTable(
        node=first.node,
        band=first.band,
        unit=band.unit,
        step_s=first.step_s,
        frequencies_hz=first.frequencies_hz,
        values=read_only(np.stack([step.values for step in band.steps])),
        end_ns=read_only(np.array([step.end_ns for step in band.steps], dtype=np.int64)),
        breaks=tuple(band.breaks),
        changes=tuple(band.changes),
    )
