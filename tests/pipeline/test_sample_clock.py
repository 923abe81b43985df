"""Dates of samples: the host's clock once, then their count."""

from fractions import Fraction

import numpy as np
import pytest

from bandwatch.agent.feeds import TOLD_BY_THE_NEXT_ROW
from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.pipeline.psd_rows import PsdRows
from bandwatch.pipeline.radio_blocks import RadioBlocks
from bandwatch.pipeline.sample_clock import SampleClock
from bandwatch.pipeline.soapy import RadioState, Reading
from bandwatch.pipeline.wire import decode, encode

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
NOW_NS = 1_800_000_000 * SECOND
LIMIT_NS = SECOND // 2


def read_on(clock, rate_hz, seconds, *, host_ppm=0.0, from_ns=NOW_NS, late_ns=lambda k: 0):
    """Second-long reads of a receiver whose rate is off the host's; the stamps."""
    stamps = []
    for k in range(seconds):
        now_ns = from_ns + round((k + 1) * SECOND * (1 + host_ppm * 1e-6)) + late_ns(k)
        stamps.append(clock.stamp(int(rate_hz), now_ns))
    return stamps


@pytest.mark.parametrize("rate_hz", [2.4e6, 250e3 / 3])
def test_stamps_of_a_month_are_the_exact_count(rate_hz):
    clock = SampleClock(rate_hz, LIMIT_NS)
    stamps = [clock.stamp(10**9 + 7, NOW_NS) for _ in range(2500)]
    exact = [stamps[0] + round(Fraction(k * (10**9 + 7)) * SECOND / Fraction(rate_hz)) for k in range(2500)]
    assert stamps == exact


def test_the_first_sample_is_as_old_as_the_read_is_long():
    assert SampleClock(1000.0, LIMIT_NS).stamp(250, NOW_NS) == NOW_NS - SECOND // 4


def test_reads_that_come_late_do_not_move_the_clock():
    clock = SampleClock(1e3, LIMIT_NS)
    stamps = read_on(clock, 1e3, 100, late_ns=lambda k: 5 * SECOND if k % 5 else 0)
    assert stamps == [NOW_NS + k * SECOND for k in range(100)]
    assert not clock.must_start_again


@pytest.mark.parametrize("host_ppm", [100.0, -100.0])
def test_a_crystal_that_drifts_is_noticed_at_the_limit(host_ppm):
    clock = SampleClock(1e3, LIMIT_NS)
    read_on(clock, 1e3, 4900, host_ppm=host_ppm)
    assert not clock.must_start_again
    read_on(clock, 1e3, 200, host_ppm=host_ppm, from_ns=NOW_NS + round(4900 * SECOND * (1 + host_ppm * 1e-6)))
    assert clock.must_start_again


@pytest.mark.parametrize("step_ns", [3600 * SECOND, -3600 * SECOND])
def test_a_clock_that_was_set_is_followed_either_way(step_ns):
    clock = SampleClock(1e3, LIMIT_NS)
    read_on(clock, 1e3, 10)
    # The span in which it is set may hold a read from before; the next tells.
    read_on(clock, 1e3, 20, from_ns=NOW_NS + 10 * SECOND + step_ns)
    assert clock.must_start_again
    clock.start_again(1e3)
    assert not clock.must_start_again
    now_ns = NOW_NS + 31 * SECOND + step_ns
    assert clock.stamp(1000, now_ns) == now_ns - SECOND


def test_after_a_loss_time_starts_at_the_host_but_never_before_what_was_stamped():
    clock = SampleClock(1e3, LIMIT_NS)
    clock.stamp(1000, NOW_NS)
    clock.start_again(1e3)
    assert clock.stamp(1000, NOW_NS + SECOND // 2) == NOW_NS
    clock.start_again(2e3)
    assert clock.stamp(1000, NOW_NS + 9 * SECOND) == NOW_NS + 8 * SECOND + SECOND // 2


def test_a_clock_set_back_is_followed_even_while_losses_make_it_start_again_all_the_time():
    clock = SampleClock(1e3, LIMIT_NS)
    host = [NOW_NS + k * SECOND - (HOUR if k >= 20 else 0) for k in range(60)]
    stamps = []
    for number, now_ns in enumerate(host):
        if number % 3 == 0 or clock.must_start_again:
            clock.start_again(1e3)
        stamps.append(clock.stamp(1000, now_ns))
    off_ns = [stamp + SECOND - now_ns for stamp, now_ns in zip(stamps, host, strict=True)]
    assert set(off_ns[:20]) == {0}
    assert set(off_ns[33:]) == {0}
    assert (np.diff(stamps) < 0).sum() == 1


def test_samples_that_were_lost_and_counted_pass_time():
    clock = SampleClock(1e3, LIMIT_NS)
    clock.stamp(1000, NOW_NS)
    clock.skip(250)
    assert clock.stamp(1000, NOW_NS + 99 * SECOND) == NOW_NS + SECOND // 4


def test_a_machine_that_starts_in_1970_dates_nothing_before():
    assert SampleClock(1000.0, LIMIT_NS).stamp(3000, SECOND) == 0


def route_hears(seconds, *, host_ns=lambda true_ns: true_ns, device_ppm=0.0, row_seconds=1):
    """What the route hears of a radio of two reads a row, and what the host's clock said at each read.

    Reads come up to 40 ms late. Items of the route, and the host's time by which all of an item's samples
    had been read.
    """
    rate_hz, read = 64.0, 32 * row_seconds
    random = np.random.default_rng(0)
    blocks = RadioBlocks("node", "band", 7, RadioState(rate_hz, 868e6, None), LIMIT_NS)
    rows, continuity = (
        PsdRows(PowerSpectrum(bins=8, overlap=0.5, frames_per_row=16 * row_seconds)),
        Continuity(),
    )
    heard: list[tuple[PsdFrame | Gap, int]] = []
    for number in range(2 * seconds // row_seconds):
        true_ns = NOW_NS + round((number + 1) * row_seconds * SECOND / 2 / (1 + device_ppm * 1e-6))
        now_ns = host_ns(true_ns) + int(random.integers(0, SECOND // 25))
        samples = random.normal(size=(read, 2)).astype(np.float32).view(np.complex64)[:, 0]
        samples.flags.writeable = False
        for block in blocks.take(Reading(samples, device_ns=None), now_ns):
            made = rows.gap(block) or [block] if isinstance(block, Gap) else rows.push(block)
            for item in made:
                if isinstance(item, Gap) and item.reason in TOLD_BY_THE_NEXT_ROW:
                    continue
                travelled = decode([bytes(part) for part in encode(item)])
                passed = continuity.gap(item) if isinstance(item, Gap) else continuity.push(travelled)
                heard += [(each, now_ns) for each in passed]
    return heard


def split(heard):
    """Runs of rows between gaps, each with the host's times; and the gaps."""
    runs, gaps = [[]], []
    for item, now_ns in heard:
        if isinstance(item, Gap):
            gaps.append(item)
            runs.append([])
        else:
            runs[-1].append((item, now_ns))
    return runs, gaps


@pytest.mark.parametrize("device_ppm", [100.0, -100.0])
def test_a_crystal_100_ppm_off_is_dated_again_each_5000_seconds_for_hours(device_ppm):
    seconds = 12_600
    runs, gaps = split(route_hears(seconds, device_ppm=device_ppm, row_seconds=10))
    assert [(gap.reason, gap.lost_samples) for gap in gaps] == [("clock", 0)] * 2
    for run in runs:
        dates = [frame.time_ns for frame, _ in run]
        assert set(np.diff(dates)) == {10 * SECOND}
        # The last frame of a row reaches into the next read; then the limit, and a span until it is noticed.
        off_ns = [now_ns - frame.end_ns - 5 * SECOND for frame, now_ns in run]
        assert np.abs(off_ns).max() < 0.55 * SECOND
    rows = [frame for run in runs for frame, _ in run]
    assert [frame.seq for frame in rows] == list(range(len(rows)))
    assert abs(10 * len(rows) - seconds) <= 30


@pytest.mark.parametrize("step_ns", [SECOND * 8 // 10, -SECOND * 8 // 10, 56 * 8766 * HOUR, -HOUR])
def test_a_host_clock_that_is_set_is_one_gap_and_right_within_half_a_minute(step_ns):
    heard = route_hears(
        200, host_ns=lambda true_ns: true_ns + (step_ns if true_ns > NOW_NS + 77 * SECOND else 0)
    )
    runs, gaps = split(heard)
    assert [(gap.reason, gap.lost_rows) for gap in gaps] == [("clock", gaps[0].lost_rows)]
    before, after = runs
    assert 77 <= len(before) <= 77 + 30
    assert len(before) + len(after) >= 198
    for frame, now_ns in after:
        assert 0 <= now_ns - frame.end_ns < 1.05 * SECOND


@pytest.mark.parametrize("step_ns", [SECOND * 4 // 10, -SECOND * 4 // 10])
def test_a_small_step_or_a_slew_of_the_hosts_clock_is_no_gap(step_ns):
    stepped = route_hears(
        100, host_ns=lambda true_ns: true_ns + (step_ns if true_ns > NOW_NS + 50 * SECOND else 0)
    )
    # As NTP slews: 500 ppm until the same is made up.
    slewed = route_hears(
        1000, host_ns=lambda true_ns: true_ns + round(step_ns * min(1.0, (true_ns - NOW_NS) / (800 * SECOND)))
    )
    for heard in (stepped, slewed):
        runs, gaps = split(heard)
        assert gaps == []
        assert set(np.diff([frame.time_ns for frame, _ in runs[0]])) == {SECOND}
