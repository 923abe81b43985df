"""Windows: how many, of what, and none across a gap."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.frames import Gap, LevelledRow, PsdFrame
from bandwatch.pipeline.noise_floor import NoiseFloor
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.windows import Windower, scale, segment_starts
from bandwatch.pipeline.wire import Heartbeat
from bandwatch.tests.jig import SECOND, assert_is_stage, assert_lasts, gap_before, rows


def levelled(count: int, floor_db: float = -100.0, **changes) -> list[LevelledRow]:
    return [LevelledRow(frame, floor_db, floor_db, 0.0) for frame in rows(count, **changes)]


@pytest.mark.parametrize("bins", [56, 128, 151])
def test_passes_the_jig(bins):
    outputs = assert_is_stage(
        lambda: Windower(16), levelled(300, bins=bins), make_gap=lambda item: gap_before(item.frame)
    )
    assert all(window.values.dtype == np.float32 for window in outputs)


@pytest.mark.parametrize("bins", [31, 56, 151])
def test_it_lasts(bins):
    wide, other = levelled(320, bins=bins), levelled(130, bins=128)
    items = [*wide[:150], gap_before(wide[150]), *wide[150:], *other]
    assert_lasts(
        lambda: Windower(16), items, moments=[0, 1, 127, 128, 143, 150, 151, 160, 280, 321, 322, 451]
    )


@pytest.mark.parametrize(
    ("bins", "starts"),
    [
        (31, []),
        (32, [0]),
        (127, [0]),
        (128, [0]),
        (151, [0, 23]),
        (200, [0, 72]),
        (1024, list(range(0, 1024, 128))),
        (300, [0, 86, 172]),
    ],
)
def test_the_rule_of_segments(bins, starts):
    assert segment_starts(bins).tolist() == starts


@given(st.integers(128, 5000))
def test_segments_cover_every_bin(bins):
    seen = np.zeros(bins, dtype=bool)
    for first in segment_starts(bins):
        seen[first : first + 128] = True
    assert seen.all()


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 420), stride=st.sampled_from([1, 16, 37, 128]), bins=st.sampled_from([40, 130]))
def test_as_many_windows_as_the_rule_predicts(count, stride, bins):
    cuts = max(0, math.floor((count - 128) / stride) + 1) if count >= 128 else 0
    windows = drive(Windower(stride), levelled(count, bins=bins))
    assert len(windows) == cuts * len(segment_starts(bins))


def test_values_are_the_last_rows_of_the_segment_relative_to_the_floor():
    items = levelled(160, bins=256, floor_db=-103.0)
    window = drive(Windower(16), items)[-1]
    expected = np.stack([row.frame.power_db[128:256] for row in items[32:160]])
    np.testing.assert_allclose(window.values, np.clip((expected + 108) / 40, 0, 1), atol=1e-5)
    assert window.segment == 1
    assert window.start_ns == items[32].frame.time_ns
    assert window.end_ns == items[159].frame.end_ns
    assert window.center_hz == pytest.approx(items[0].frame.center_hz + 64 * 187.5)
    assert window.bin_hz == 187.5


def test_a_narrow_band_is_stretched_with_its_ends_kept():
    items = levelled(128, bins=56)
    window = drive(Windower(16), items)[0]
    row = items[-1].frame.power_db
    expected = np.interp(np.linspace(0, 55, 128), np.arange(56), row)
    np.testing.assert_allclose(window.values[-1], (expected + 105) / 40, atol=1e-5)
    assert window.center_hz == pytest.approx(items[0].frame.center_hz)
    assert window.bin_hz * 127 == pytest.approx(55 * 187.5)


def test_scale_clips_five_below_and_thirty_five_above_the_floor():
    scaled = scale(np.array([-200, -105, -100, -85, -65, 0], dtype=np.float32), -100.0)
    np.testing.assert_allclose(scaled, [0, 0, 0.125, 0.5, 1, 1], atol=1e-6)


def test_too_few_bins_give_no_window_but_say_when_one_was_due():
    windower = Windower(16)
    due = []
    for row in levelled(160, bins=31):
        assert windower.push(row) == []
        due.append(windower.due)
    assert np.flatnonzero(due).tolist() == [127, 143, 159]


def test_a_gap_makes_the_next_window_wait_for_128_rows():
    windower = Windower(16)
    items = levelled(400)
    drive(windower, items[:200])
    windower.gap(gap_before(items[200].frame))
    assert windower.rows_held == 0
    counts = [len(windower.push(row)) for row in items[200:344]]
    assert np.flatnonzero(counts).tolist() == [127, 143]


def test_windows_are_not_changed_by_later_rows():
    windower = Windower(1)
    items = levelled(300)
    first = drive(windower, items[:128])[0]
    before = first.values.copy()
    drive(windower, items[128:])
    np.testing.assert_array_equal(first.values, before)
    with pytest.raises(ValueError, match="read-only"):
        first.values[0, 0] = 1


def test_another_stride_holds_from_the_next_row_on_and_a_multiple_keeps_a_part_of_the_places():
    items = levelled(600, bins=40)

    def places(strides: dict[int, int]) -> list[int]:
        """The rows with which windows come; `strides` by the row before which they are set."""
        windower, found = Windower(16), []
        for number, row in enumerate(items):
            windower.stride_rows = strides.get(number, windower.stride_rows)
            if windower.push(row):
                found.append(number)
        return found

    usual = places({})
    assert usual == list(range(127, 600, 16))
    raised = places({200: 64, 400: 16})
    assert raised == [*range(127, 200, 16), 255, 319, 383, *range(415, 600, 16)]
    assert set(raised) < set(usual)
    assert places({50: 48}) == list(range(127, 600, 48))
    assert places({130: 1, 133: 16}) == [127, 130, 131, 132, *range(143, 600, 16)]


@st.composite
def lives(draw) -> tuple[list[PsdFrame | Heartbeat], int]:
    """What is heard of a band whose publisher starts up to three times, and how many rows were published.

    Between long runs of rows: rows lost, bad rows, a leap of the clock either way, overflows, retunes.
    """
    heard: list[PsdFrame | Heartbeat] = []
    published, time_ns = 0, TEMPLATE[0].frame.time_ns
    for stream in range(draw(st.integers(1, 3))):
        changes: dict[str, float] = {}
        heard.append(Heartbeat("node", "band", stream, -1, ended=False))
        seq = 0
        for run in draw(st.lists(st.sampled_from([1, 100, 127, 128, 129, 150, 300]), min_size=1, max_size=4)):
            lost_samples = 0
            match draw(st.sampled_from(["nothing", "lost", "bad", "leap", "overflow", "retuned", "gain"])):
                case "lost":
                    lost = draw(st.integers(1, 5))
                    seq += lost
                    time_ns += lost * SECOND
                case "bad":
                    bad = np.full(40, np.nan, np.float32)
                    heard.append(
                        replace(
                            TEMPLATE[0].frame,
                            stream=stream,
                            seq=seq,
                            power_db=bad,
                            time_ns=time_ns,
                            **changes,
                        )
                    )
                    seq += 1
                    time_ns += SECOND
                case "leap":
                    time_ns += (
                        draw(st.sampled_from([-50 * 31_557_600, -3600, -2, 2, 3600, 56 * 31_557_600]))
                        * SECOND
                    )
                case "overflow":
                    lost_samples = 512
                case "retuned":
                    changes["center_hz"] = draw(st.sampled_from([433e6, 868e6]))
                case "gain":
                    changes["gain_db"] = draw(st.sampled_from([0.0, 20.0]))
            for number in range(run):
                frame = TEMPLATE[seq % len(TEMPLATE)].frame
                heard.append(
                    replace(
                        frame,
                        stream=stream,
                        seq=seq,
                        time_ns=time_ns,
                        lost_samples=0 if number else lost_samples,
                        **changes,
                    )
                )
                seq += 1
                time_ns += SECOND
        heard.append(Heartbeat("node", "band", stream, seq - 1, ended=True))
        published += seq
    return heard, published


TEMPLATE = levelled(700, bins=40)


@settings(max_examples=40, deadline=None)
@given(lives())
def test_whatever_happens_no_window_spans_a_gap_and_every_row_is_passed_on_or_lost(life):
    heard, published = life
    items = drive(Continuity(), heard)
    frames = [item for item in items if isinstance(item, PsdFrame)]
    lost_rows = sum(item.lost_rows or 0 for item in items if isinstance(item, Gap))
    assert len(frames) + lost_rows == published
    noise_floor, windower = NoiseFloor(), Windower(16)
    run: list[LevelledRow] = []
    for item in items:
        if isinstance(item, Gap):
            run = []
            assert noise_floor.gap(item) == windower.gap(item) == []
            continue
        [row] = noise_floor.push(item)
        run.append(row)
        windows = windower.push(row)
        assert len(windows) == (len(run) >= 128 and (len(run) - 128) % 16 == 0)
        for window in windows:
            assert (window.start_ns, window.end_ns) == (run[-128].frame.time_ns, item.end_ns)
            whole = scale(np.stack([each.frame.power_db for each in run[-128:]]), row.noise_floor_db)
            np.testing.assert_allclose(window.values[:, [0, -1]], whole[:, [0, -1]], atol=1e-5)
            assert {(each.frame.stream, each.frame.center_hz, each.frame.gain_db) for each in run[-128:]} == {
                (item.stream, item.center_hz, item.gain_db)
            }
            starts_ns = np.array([each.frame.time_ns for each in run[-128:]])
            assert ((np.diff(starts_ns) >= 0) & (np.diff(starts_ns) <= 2.5 * SECOND)).all()
            assert np.ptp([each.frame.seq for each in run[-128:]]) == 127
