"""Recordings become tables of steps: the agent's own aggregation, one table a band, breaks kept."""

from __future__ import annotations

import dataclasses
from itertools import count

import numpy as np
import pytest

from bandwatch.models.step_table import gather_steps, simulated_rows
from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.steps import Steps
from bandwatch.tests.jig import SECOND, gap_before, rows


def later(frames: list[PsdFrame], seconds: int) -> list[PsdFrame]:
    return [dataclasses.replace(frame, time_ns=frame.time_ns + seconds * SECOND) for frame in frames]


def test_a_table_holds_what_the_agents_steps_are() -> None:
    frames = rows(50, bins=40)
    (table,) = gather_steps([frames], step_s=5.0)
    steps = drive(Steps(5.0), frames)
    np.testing.assert_array_equal(table.values, np.stack([step.values for step in steps]))
    assert table.end_ns.tolist() == [step.end_ns for step in steps]
    assert (table.node, table.band, table.unit, table.step_s) == ("node", "band", "dBm/bin", 5.0)
    np.testing.assert_array_equal(table.frequencies_hz, steps[0].frequencies_hz)
    assert table.breaks == ()
    again = table.steps()
    assert [step.start_ns for step in again] == [step.start_ns for step in steps]
    np.testing.assert_array_equal(again[3].values, steps[3].values)


def test_leaps_holes_and_the_next_recording_are_breaks_and_a_row_lost_within_a_step_is_none() -> None:
    frames = rows(60)
    with_leap = [*frames[:20], gap_before(frames[20], "clock"), *frames[20:]]
    assert gather_steps([with_leap], step_s=5.0)[0].breaks == (4,)
    with_loss = [*frames[:21], gap_before(frames[22]), *frames[22:]]
    assert gather_steps([with_loss], step_s=5.0)[0].breaks == ()
    with_hole = [*frames[:20], *frames[30:]]
    assert gather_steps([with_hole], step_s=5.0)[0].breaks == (4,)
    (joined,) = gather_steps([frames, later(frames, 60)], step_s=5.0)
    assert joined.breaks == (12,)
    assert len(joined.values) == 24


def test_every_band_has_its_table() -> None:
    tables = gather_steps([rows(20), rows(20, band="other", bins=64)], step_s=5.0)
    assert [(table.band, table.values.shape) for table in tables] == [("band", (4, 128)), ("other", (4, 64))]


def test_the_simulated_band_gives_as_many_steps_as_asked_for_and_every_one_is_told() -> None:
    told = count()
    (table,) = gather_steps([simulated_rows(3, 7, 5.0)], step_s=5.0, on_step=lambda: next(told))
    assert (table.node, table.band, len(table.values)) == ("simulated", "srd-868", 7)
    assert next(told) == 7
    assert table.breaks == ()


def test_rows_of_nan_and_jumps_break_the_table_as_they_break_the_route() -> None:
    frames = rows(60)
    spoilt = np.full(128, np.nan, np.float32)
    frames[22] = dataclasses.replace(frames[22], power_db=spoilt)
    frames[40:] = [dataclasses.replace(frame, gain_db=3.0) for frame in frames[40:]]
    (table,) = gather_steps([frames], step_s=5.0)
    assert np.isfinite(table.values).all()
    assert table.breaks == (8,)
    continuous = [*drive(Continuity(), frames)]
    assert [item.reason for item in continuous if isinstance(item, Gap)] == ["source", "gain"]
    stage, ends_ns = Steps(5.0), []
    for item in continuous:
        done = stage.gap(item) if isinstance(item, Gap) else stage.push(item)
        ends_ns += [step.end_ns for step in done]
    assert table.end_ns.tolist() == ends_ns


def test_the_steps_of_a_table_know_their_unit() -> None:
    (table,) = gather_steps([rows(20, unit="dBFS/bin")], step_s=5.0)
    assert {step.unit for step in table.steps()} == {"dBFS/bin"}


def test_what_gives_no_whole_step_gives_no_table() -> None:
    assert gather_steps([rows(3), []], step_s=60.0) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "counts"}, "band node/band: unit changes from dBm/bin to counts, it must stay the same"),
        ({"duration_ns": 10 * SECOND}, "band node/band: step changes from 5 to 10 s, it must stay the same"),
        ({"bins": 64}, "band node/band: frequencies change from 128 at"),
        ({"center_hz": 900e6}, "band node/band: frequencies change from 128 at"),
    ],
)
def test_a_band_that_changes_its_measure_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput) as refused:
        gather_steps([rows(20), rows(20, **changes)], step_s=5.0)
    assert message in str(refused.value)
