"""Under load windows are cut more rarely before rows are lost, and again as configured when it is over."""

from __future__ import annotations

import io
import json
from collections import deque

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from bandwatch.agent.logs import open_log
from bandwatch.agent.shedding import BandStride, Shedding, StrideChange
from bandwatch.agent.telemetry import Telemetry
from bandwatch.pipeline.frames import Gap, LevelledRow
from bandwatch.pipeline.windows import Windower
from bandwatch.tests.every_output import assignment, frame

CAPACITY = 1024


class Bench:
    """A Shedding, the strides it gives, its metrics and log, and a clock moved by hand."""

    def __init__(self, **configured: int) -> None:
        self.now = 1000.0
        self.registry = CollectorRegistry()
        self.log = io.StringIO()
        telemetry = Telemetry(
            self.registry, open_log("info", "json", self.log), monotonic_seconds=lambda: self.now
        )
        self.shedding = Shedding(telemetry, monotonic_seconds=lambda: self.now)
        self.strides = {band: BandStride("node", band, rows, rows) for band, rows in configured.items()}
        self.changes: list[tuple[float, str, int]] = []

    def rows(self, band: str) -> int:
        return self.strides[band].present_rows

    def turn(self, fill: float, seconds: float = 0.0, **spent: float) -> list[StrideChange]:
        """A turn so many seconds later, of which bands spent some on windows; what it changes is done."""
        self.now += seconds
        for band, cost in spent.items():
            self.shedding.spent("node", band, cost)
        changes = self.shedding.turn(fill, self.strides.values())
        for node, band, rows in changes:
            assert node == "node"
            self.strides[band] = self.strides[band]._replace(present_rows=rows)
            self.changes.append((self.now, band, rows))
        return changes

    def value(self, name: str, band: str) -> float | None:
        return self.registry.get_sample_value(f"bandwatch_{name}", {"node": "node", "band": band})


def run(bench: Bench, seconds: float, row_cost: float, **bands: tuple[float, float]) -> int:
    """The loop before a queue: `bands` of (rows a second, seconds the windows of a moment cost); rows lost.

    A simulation: a turn takes at most 64 rows, and as long as they and their windows cost.
    """
    waiting: deque[str] = deque()
    owed, heard = dict.fromkeys(bands, 0.0), dict.fromkeys(bands, 0)
    lost = 0
    end = bench.now + seconds
    while bench.now < end:
        took, spent = 0.0, dict.fromkeys(bands, 0.0)
        for _ in range(min(64, len(waiting))):
            band = waiting.popleft()
            heard[band] += 1
            took += row_cost
            if heard[band] % bench.rows(band) == 0:
                took += bands[band][1]
                spent[band] += bands[band][1]
        took = max(took, 0.02)
        for band, (rate, _) in bands.items():
            owed[band] += rate * took
            come, owed[band] = int(owed[band]), owed[band] % 1
            waiting.extend([band] * come)
        while len(waiting) > CAPACITY:
            waiting.popleft()
            lost += 1
        bench.turn(len(waiting) / CAPACITY, took, **{band: cost for band, cost in spent.items() if cost})
    return lost


def test_a_queue_fuller_than_a_quarter_doubles_the_stride_of_the_band_that_costs_most():
    bench = Bench(cheap=16, dear=16, idle=16)
    assert bench.turn(0.25, 1.0, cheap=0.1, dear=0.3) == []
    assert bench.turn(0.26, 1.0) == [StrideChange("node", "dear", 32)]
    assert bench.turn(0.30, 0.1) == [], "too soon to see what it did"
    assert bench.turn(0.30, 0.2) == [StrideChange("node", "dear", 64)], "0.15 s at its new stride: still more"
    assert bench.turn(0.30, 0.6) == [StrideChange("node", "cheap", 32)]


def test_no_stride_rises_beyond_eight_times_or_128_rows_and_then_rows_are_left_to_drop():
    bench = Bench(a=4, b=48, c=128)
    for _ in range(20):
        bench.turn(1.0, 1.0, a=0.1, b=0.1, c=0.1)
    assert [bench.rows(band) for band in "abc"] == [32, 96, 128]
    assert bench.turn(1.0, 1.0, a=0.1, b=0.1, c=0.1) == []


def test_a_band_that_has_cut_no_windows_is_left_alone():
    bench = Bench(narrow=16)
    assert [bench.turn(1.0, 1.0) for _ in range(5)] == [[]] * 5


def test_a_queue_that_sinks_fast_enough_is_left_to_sink():
    bench = Bench(a=16)
    bench.turn(0.8, 1.0, a=1.0)
    for fill in (0.74, 0.68, 0.62, 0.56, 0.50):
        assert bench.turn(fill, 1.0, a=1.0) == []
    assert bench.turn(0.495, 1.0, a=1.0) == [StrideChange("node", "a", 64)], "that would take 49 s more"


def test_calm_lowers_the_strides_one_by_one_the_last_raised_first():
    bench = Bench(a=16, b=16)
    bench.turn(0.5, 1.0, a=1.0)
    bench.turn(0.6, 1.0, b=9.0)
    bench.turn(0.7, 1.0, a=9.0)
    assert [bench.rows(band) for band in "ab"] == [64, 32]
    bench.changes.clear()
    for _ in range(100):
        bench.turn(0.04, 1.0)
    begun = bench.changes[0][0]
    assert [(at - begun, band, rows) for at, band, rows in bench.changes] == [
        (0, "a", 32), (10, "b", 16), (20, "a", 16)
    ]  # fmt: skip


def test_between_a_twentieth_and_a_quarter_nothing_changes():
    bench = Bench(a=16)
    bench.turn(0.5, 1.0, a=1.0)
    for _ in range(1000):
        assert bench.turn(0.06, 1.0, a=1.0) == []
    assert bench.rows("a") == 32


def test_an_overload_that_coarser_strides_can_meet_loses_no_row():
    bench = Bench(a=16)
    # At stride 16 a row costs 0.5 + 40/16 = 3 ms: 333 rows/s. 700 need stride 64, which allows 889.
    assert run(bench, 120, 0.0005, a=(700.0, 0.040)) == 0
    assert bench.rows("a") == 64
    assert bench.value("stride_rows", "a") == 64


def test_what_no_stride_can_meet_is_lost_at_the_coarsest():
    bench = Bench(a=16)
    assert run(bench, 20, 0.002, a=(700.0, 0.040)) > 1000
    assert bench.rows("a") == 128


def test_a_steady_overload_does_not_make_the_stride_swing():
    bench = Bench(a=16, b=16)
    assert run(bench, 3600, 0.0005, a=(500.0, 0.040), b=(20.0, 0.010)) == 0
    late = [change for change in bench.changes if change[0] > 1000 + 900]
    assert len(late) <= 10
    assert {band for _, band, _ in bench.changes} == {"a"}, "the band that costs less keeps its stride"


def test_when_the_load_is_gone_strides_are_as_configured_within_minutes():
    bench = Bench(a=16)
    run(bench, 600, 0.0005, a=(700.0, 0.040))
    assert bench.rows("a") > 16
    run(bench, 1500, 0.0005, a=(50.0, 0.040))
    assert bench.rows("a") == 16


def test_a_stride_that_a_restart_brought_back_is_lowered_too():
    bench = Bench(a=16, b=16)
    bench.strides["a"] = BandStride("node", "a", 16, 48)
    for _ in range(40):
        bench.turn(0.0, 1.0)
    assert [rows for _, _, rows in bench.changes] == [24, 16]


def test_the_same_inputs_give_the_same_changes():
    one, other = Bench(a=16, b=8), Bench(a=16, b=8)
    for bench in (one, other):
        run(bench, 60, 0.0005, a=(500.0, 0.040), b=(300.0, 0.010))
    assert one.changes
    assert one.changes == other.changes


def test_a_change_is_logged_with_how_full_the_queue_was_and_of_a_kind_one_line_in_five_seconds():
    bench = Bench(a=16)
    for fill in (0.5, 0.6, 0.7):
        bench.turn(fill, 1.0, a=1.0)
    for _ in range(12):
        bench.turn(0.0, 1.0)
    raised, lowered = [json.loads(line) for line in bench.log.getvalue().splitlines()]
    assert (raised["event"], raised["level"], raised["was"], raised["rows"]) == (
        "stride raised",
        "warning",
        16,
        32,
    )
    assert (raised["band"], raised["queue_fill"]) == ("a", 0.5)
    assert (lowered["event"], lowered["level"], lowered["was"], lowered["rows"]) == (
        "stride lowered",
        "info",
        128,
        64,
    )
    assert bench.registry.get_sample_value("bandwatch_queue_fill_ratio", {"stage": "intake"}) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_windows_passed_over_are_exactly_those_that_the_configured_stride_would_have_cut(seed):
    random = np.random.default_rng(seed)
    bench = Bench(a=4)
    configured, present = Windower(4), Windower(4)
    looked_at = {"configured": 0, "present": 0}
    bench.turn(0.0)
    for seq in range(5000):
        row = LevelledRow(frame(seq, bins=300, band="a"), -100.0, -100.0, 0.0)
        if random.random() < 0.003:
            gap = Gap("node", "a", seq, 1, None, "lost", 0)
            for windower in (configured, present):
                windower.gap(gap)
            bench.shedding.take(gap)
        if random.random() < 0.02:
            rows = 4 * 2 ** int(random.integers(4))
            bench.strides["a"] = BandStride("node", "a", 4, rows)
            present.stride_rows = rows
            bench.turn(0.1)
        looked_at["configured"] += len(configured.push(row))
        bench.shedding.take(row)
        for window in present.push(row):
            looked_at["present"] += 1
            from_window = assignment(window.segment, 1, band="a")
            object.__setattr__(from_window, "end_ns", window.end_ns)
            bench.shedding.take(from_window)
    bench.shedding.take(Gap("node", "a", 5000, 1, None, "lost", 0))
    passed_over = looked_at["configured"] - looked_at["present"]
    assert passed_over > 500
    assert bench.value("windows_shed_total", "a") == passed_over
