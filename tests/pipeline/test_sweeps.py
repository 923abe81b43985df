"""Sweeps of any order, cut, overlapping or too fast for their clock become rows that say so."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.limits import LATEST_NS
from bandwatch.pipeline.readers.reader import Identity
from bandwatch.pipeline.spectrum_line import SpectrumLine
from bandwatch.pipeline.sweeps import SweptRows
from bandwatch.tests.jig import same

SECOND = 1_000_000_000
NAN = float("nan")
IDENTITY = Identity("node", "band", 7)


def line(time_s: float, first_hz: float, *power: float, bin_hz: float = 10.0) -> SpectrumLine:
    return SpectrumLine(
        round(time_s * SECOND), first_hz, bin_hz, len(power), np.array(power), f"at {time_s} s"
    )


def swept(lines, **changes):
    fields = {"format": "swept", "value_type": "test", "unit": "dB"}
    return SweptRows(Path("sweeps"), lambda with_power: iter(lines), **(fields | changes))


def items_of(rows: SweptRows, chunk_rows: int = 3) -> list[PsdFrame | Gap]:
    return list(rows.frames(IDENTITY, chunk_rows, None))


def frames_of(rows: SweptRows) -> list[PsdFrame]:
    return [item for item in items_of(rows) if isinstance(item, PsdFrame)]


def powers(rows: SweptRows) -> list[list[float]]:
    return [frame.power_db.tolist() for frame in frames_of(rows)]


def sweep(time_s: float, *power: float, hop: int = 2, first_hz: float = 100.0) -> list[SpectrumLine]:
    """A sweep of hops of `hop` bins each."""
    hops = [power[start : start + hop] for start in range(0, len(power), hop)]
    return [line(time_s, first_hz + 10 * hop * turn, *part) for turn, part in enumerate(hops)]


class TestRows:
    def test_hops_that_abut_are_one_row(self):
        rows = swept([*sweep(0, 1, 2, 3, 4), *sweep(2, 5, 6, 7, 8), *sweep(4, 1, 1, 1, 1)])
        assert powers(rows) == [[1, 2, 3, 4], [5, 6, 7, 8], [1, 1, 1, 1]]
        assert (rows.facts.first_hz, rows.facts.bin_hz, rows.facts.bins) == (100, 10, 4)
        assert [frame.time_ns for frame in frames_of(rows)] == [0, 2 * SECOND, 4 * SECOND]
        assert [frame.center_hz for frame in frames_of(rows)] == [115.0] * 3
        assert (rows.facts.rows, rows.facts.step_ns, rows.facts.end_ns) == (3, 2 * SECOND, 6 * SECOND)
        assert rows.facts.problems == ()

    def test_the_time_of_a_row_is_that_of_its_first_line(self):
        rows = swept([line(1, 100, 1, 2), line(1.4, 120, 3, 4), line(2, 100, 5, 6), line(2.4, 120, 7, 8)])
        assert [frame.time_ns for frame in frames_of(rows)] == [SECOND, 2 * SECOND]

    def test_interleaved_halves_as_hackrf_sweep_writes_them_are_put_in_order(self):
        order = (0, 2, 1, 3)  # 5 MHz halves: a block gives f and f + 10 MHz, the next f + 5 and f + 15 MHz
        lines = [line(time, 5e6 * half, half, half, bin_hz=2.5e6) for time in (0, 1) for half in order]
        rows = swept(lines, fall_hz=5e6)
        assert powers(rows) == [[0, 0, 1, 1, 2, 2, 3, 3]] * 2

    def test_of_bins_measured_twice_the_later_line_stands(self):
        one = [line(0, 100, 1, 2, 3), line(0, 120, 4, 5, 6)]
        two = [line(1, 100, 1, 2, 3), line(1, 120, 4, 5, 6)]
        rows = swept([*one, *two])
        assert powers(rows) == [[1, 2, 4, 5, 6]] * 2
        assert rows.facts.problems == ("1 bins are measured twice in a sweep: the later line stands",)

    def test_hops_between_the_bins_of_others_are_taken_to_the_nearest(self):
        rows = swept([*(line(t, f, 1, 2, 3) for t in (0, 1) for f in (100, 126, 152))])
        assert rows.facts.bins == 8  # 100..170: bins at 126 are 0.4 from 130, those at 152 0.2 from 150
        assert "up to 0.40 bins between the bins of others" in rows.facts.problems[0]

    def test_a_single_bin_that_no_hop_measured_is_the_one_below_it(self):
        rows = swept([line(time, first, 1, 2) for time in (0, 1) for first in (100, 130)])
        assert powers(rows) == [[1, 2, 2, 1, 2]] * 2
        assert "1 single bins between lines are not measured" in rows.facts.problems[0]

    def test_of_separate_stretches_the_longest_is_read(self):
        rows = swept([line(time, *hop) for time in (0, 1) for hop in ((100, 1, 2), (900, 3, 4, 5))])
        assert powers(rows) == [[3, 4, 5]] * 2
        assert "2 separate stretches of frequency; the longest is read, 2 bins" in rows.facts.problems[0]

    def test_a_hop_of_another_step_is_left_out_and_told(self):
        lines = [
            each for time in (0, 1) for each in (line(time, 100, 1, 2, 3), line(time, 130, 9, 9, bin_hz=5.0))
        ]
        rows = swept(lines)
        assert powers(rows) == [[1, 2, 3]] * 2
        assert "1 of 2 lines of a sweep have bins of another width than 10 Hz" in rows.facts.problems[0]

    def test_nan_and_infinities_stay_in_their_row(self):
        rows = swept([*sweep(0, 1, NAN), *sweep(1, -np.inf, 2), *sweep(2, 1e300, 1)])
        assert same(powers(rows), [[1.0, NAN], [-np.inf, 2.0], [np.inf, 1.0]])

    def test_how_many_rows_are_read_at_a_time_changes_nothing(self):
        rows = swept([each for time in range(7) for each in sweep(time, time, 2, 3, 4)])
        at_once = items_of(rows, 100)
        assert len(at_once) == 7
        for chunk_rows in (1, 2, 3, 7):
            assert same(items_of(rows, chunk_rows), at_once)


class TestLosses:
    def test_a_cut_sweep_is_a_row_with_nan_and_a_problem(self):
        whole = [each for time in range(3) for each in sweep(time, 1, 2, 3, 4)]
        rows = swept([line(-0.0, 120, 3, 4), *whole[2:], line(3, 100, 1, 2)])
        assert same(powers(rows), [[NAN, NAN, 3.0, 4.0], *[[1.0, 2.0, 3.0, 4.0]] * 2, [1.0, 2.0, NAN, NAN]])
        assert rows.facts.problems == (
            "row 0: a partial sweep: 2 of 4 bins missing, NaN in their place",
            "row 3: a partial sweep: 2 of 4 bins missing, NaN in their place",
        )

    def test_after_a_lost_line_the_next_sweep_begins_where_it_begins(self):
        rows = swept(
            [*sweep(0, 1, 2, 3, 4), line(1, 120, 3, 4), *sweep(2, 5, 6, 7, 8), *sweep(3, 1, 1, 1, 1)]
        )
        assert [frame.time_ns // SECOND for frame in frames_of(rows)] == [0, 1, 2, 3]
        assert same(powers(rows)[1:3], [[NAN, NAN, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])

    def test_sweeps_of_another_axis_are_rows_without_values(self):
        usual = [each for time in range(3) for each in sweep(time, 1, 2)]
        rows = swept([*usual, *sweep(3, 9, 9, first_hz=900), *sweep(4, 9, 9, first_hz=900), *sweep(5, 1, 2)])
        # The first line of the other tuning lies above the last sweep and does not end it: a row fewer.
        assert np.isnan(powers(rows)[3]).all()
        assert powers(rows)[-1] == [1, 2]
        assert any("900 to 910 Hz, not on the axis of most" in problem for problem in rows.facts.problems)

    def test_what_cannot_be_read_is_told_twenty_times_and_then_counted(self):
        rows = swept([*sweep(0, 1, 2), *(f"line {n}: broken" for n in range(30)), *sweep(1, 3, 4)])
        assert rows.facts.problems == (
            *(f"line {n}: broken" for n in range(20)),
            "10 more problems with lines",
        )
        assert powers(rows) == [[1, 2], [3, 4]]

    @pytest.mark.parametrize(
        ("bad", "said"),
        [
            (SpectrumLine(-1, 100.0, 10.0, 2, np.zeros(2), "line 9"), "its time; limit: 1970"),
            (SpectrumLine(0, 1e14, 10.0, 2, np.zeros(2), "line 9"), "1e+14 Hz; limit"),
            (SpectrumLine(0, NAN, 10.0, 2, np.zeros(2), "line 9"), "nan Hz; limit"),
            (SpectrumLine(0, 100.0, 0.0, 2, np.zeros(2), "line 9"), "bins of 0 Hz; limit"),
        ],
    )
    def test_lines_beyond_the_limits_are_left_out(self, bad, said):
        rows = swept([*sweep(0, 1, 2), bad, *sweep(1, 3, 4)])
        assert powers(rows) == [[1, 2], [3, 4]]
        assert rows.facts.problems[0].startswith("line 9: ")
        assert said in rows.facts.problems[0]

    def test_a_file_without_a_line_is_refused_with_the_first_reason(self):
        with pytest.raises(BadInput, match="sweeps: no line of swept can be read: line 1: broken"):
            swept(["line 1: broken", "line 2: as well"])

    def test_one_bin_is_refused(self):
        with pytest.raises(BadInput, match="1 bins in a sweep; limit: 2 to 1048576"):
            swept([line(0, 100, 1), line(1, 100, 1)])

    def test_the_last_representable_time_is_refused_where_its_row_ends_later(self):
        last = SpectrumLine(LATEST_NS, 100.0, 10.0, 2, np.zeros(2), "line 2")
        with pytest.raises(BadInput, match="ends beyond 2116-02-20"):
            swept([*sweep(0, 1, 2), last])

    def test_a_file_that_lost_rows_since_it_was_opened_is_refused(self):
        lines = [*sweep(0, 1, 2), *sweep(1, 3, 4)]
        rows = swept(lines)
        lines.pop()
        with pytest.raises(BadInput, match="1 rows, 2 when it was opened"):
            items_of(rows)

    def test_rows_written_since_it_was_opened_are_not_read(self):
        lines = [*sweep(0, 1, 2), *sweep(1, 3, 4)]
        rows = swept(lines)
        lines += sweep(2, 5, 6)
        assert powers(rows) == [[1, 2], [3, 4]]


class TestTimes:
    def test_sweeps_faster_than_their_clock_are_spread_over_its_count(self):
        rows = swept([line(t, 100, 1, 2) for t in (0, 0, 1, 1, 1, 1, 2, 2)], clock_ns=SECOND)
        starts_s = [frame.time_ns / SECOND for frame in frames_of(rows)]
        assert starts_s == [0, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.5]
        assert not [item for item in items_of(rows) if isinstance(item, Gap)]
        assert rows.facts.step_ns == SECOND // 4  # the median of 2 x 0.5, 4 x 0.25 and 0.5 s
        assert rows.facts.end_ns == round(2.75 * SECOND)

    def test_the_same_time_twice_is_the_clock_s_fault_where_sweeps_are_slow(self):
        rows = swept([line(t, 100, 1, 2) for t in (0, 10, 10, 20, 30)], clock_ns=SECOND)
        gaps = [item for item in items_of(rows) if isinstance(item, Gap)]
        assert [(gap.after_seq, gap.reason) for gap in gaps] == [(1, "clock")]
        assert rows.facts.step_ns == 10 * SECOND

    def test_a_hole_and_a_clock_set_back_are_gaps(self):
        rows = swept([line(t, 100, 1, 2) for t in (0, 1, 2, 12, 13, 5, 6)])
        gaps = [item for item in items_of(rows) if isinstance(item, Gap)]
        assert [(gap.after_seq, gap.reason, gap.lost_rows) for gap in gaps] == [
            (2, "source", 9),
            (4, "clock", None),
        ]
        assert (rows.facts.start_ns, rows.facts.end_ns) == (0, 14 * SECOND)

    def test_one_sweep_lasts_what_is_said_or_a_second(self):
        alone = swept(sweep(5, 1, 2))
        assert alone.facts.step_ns == SECOND
        assert alone.facts.problems == ("no step between sweeps: each is taken to last 1 s",)
        assert swept(sweep(5, 1, 2), step_ns=3 * SECOND).facts.end_ns == 8 * SECOND


@st.composite
def shuffled(draw):
    """Lines of some sweeps in any order, some lost, some twice, some broken; each with values of its own."""
    hops = [(100.0, 10.0, 3), (130.0, 10.0, 3), (155.0, 10.0, 4), (300.0, 5.0, 2)]
    made = []
    for number in draw(st.lists(st.integers(0, 39), min_size=1, max_size=40)):
        first_hz, bin_hz, bins = hops[number % 4]
        power = np.arange(bins) + 10.0 * number
        made.append(SpectrumLine(number // 8 * SECOND, first_hz, bin_hz, bins, power, f"line {number}"))
    for place in draw(st.lists(st.integers(0, len(made)), max_size=3)):
        made.insert(place, "line ?: broken")
    return made


@given(lines=shuffled(), fall_hz=st.sampled_from([0.0, 30.0, 1e9]), chunk_rows=st.integers(1, 5))
def test_whatever_the_order_every_value_of_a_row_is_a_line_s(lines, fall_hz, chunk_rows):
    try:
        rows = swept(lines, fall_hz=fall_hz, clock_ns=SECOND)
    except BadInput:
        return
    frames = [item for item in items_of(rows, chunk_rows) if isinstance(item, PsdFrame)]
    assert [frame.seq for frame in frames] == list(range(rows.facts.rows))
    assert min(frame.time_ns for frame in frames) == rows.facts.start_ns
    assert max(frame.end_ns for frame in frames) == rows.facts.end_ns
    measured = {
        value
        for each in lines
        if not isinstance(each, str) and each.power is not None
        for value in each.power
    }
    for frame in frames:
        assert set(frame.power_db[~np.isnan(frame.power_db)].tolist()) <= measured
        assert not np.isnan(frame.power_db).all() or rows.facts.problems


def test_wide_rows_are_held_a_few_at_a_time_however_many_are_asked_for():
    values = np.zeros(262_144)
    rows = swept([SpectrumLine(turn * SECOND, 0.0, 10.0, len(values), values, "") for turn in range(200)])
    tracemalloc.start()
    count = sum(isinstance(item, PsdFrame) for item in rows.frames(IDENTITY, 1000, None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 200
    assert peak < 64 * 2**20
