"""Dates of samples: the host's clock once, then their count, at a rate that follows the host's clock."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandwatch.agent.feeds import TOLD_BY_THE_NEXT_ROW
from bandwatch.pipeline.block_dates import BlockDates
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
MS = SECOND // 1000


def read_on(clock, seconds, *, crystal_ppm=0.0, from_s=0.0, reads_per_s=1, late_ns=0, host_step_ns=0):
    """Read a receiver of 1024 samples/s that runs slow by so many ppm, from `from_s` after NOW_NS on.

    Stamps, and the true UTC of the first sample of each read; the host's clock is true but for its step.
    """
    count = round(seconds * reads_per_s)
    ends_ns = np.round(np.arange(count + 1) / reads_per_s * (1 + crystal_ppm * 1e-6) * SECOND).astype(
        np.int64
    )
    ends_ns += NOW_NS + round(from_s * SECOND)
    now_ns = (ends_ns[1:] + late_ns + host_step_ns).tolist()
    stamps = [clock.stamp(1024 // reads_per_s, now) for now in now_ns]
    return np.array(stamps), ends_ns[:-1]


def learned(crystal_ppm, seconds=3600):
    """A clock that has followed such a crystal for an hour, and where it is."""
    clock = SampleClock(1024.0, LIMIT_NS)
    read_on(clock, seconds, crystal_ppm=crystal_ppm)
    return clock, seconds * (1 + crystal_ppm * 1e-6)


def rates_ppm(stamps, reads_per_s):
    """How much faster than nominal time passed in each second, as dated."""
    return (np.diff(stamps[::reads_per_s]) / SECOND - 1) * 1e6


# Counting


@pytest.mark.parametrize("rate_hz", [2.4e6, 250e3 / 3])
def test_stamps_of_months_are_the_exact_count_while_the_host_agrees(rate_hz):
    clock = SampleClock(rate_hz, LIMIT_NS)
    read = 10**9 + 7
    exact = [NOW_NS + round(Fraction(k * read) * SECOND / Fraction(rate_hz)) for k in range(2501)]
    assert [clock.stamp(read, end_ns) for end_ns in exact[1:]] == exact[:-1]


def test_a_rate_that_was_learned_loses_no_nanosecond_in_the_counting():
    clock, _ = learned(100.0)
    first, second = clock.stamp(1, 0), clock.stamp(1, 0)  # two reads, within one span
    stamps = [clock.stamp(1, 0) for _ in range(1024 * 8)]
    # 1024 samples last as long as any other 1024, to the rounding of both ends.
    assert second > first
    assert np.ptp(np.subtract(stamps[1024:], stamps[:-1024])) <= 1


def test_the_first_sample_is_as_old_as_the_read_is_long():
    assert SampleClock(1000.0, LIMIT_NS).stamp(250, NOW_NS) == NOW_NS - SECOND // 4


def test_samples_that_were_lost_and_counted_pass_time():
    clock = SampleClock(1e3, LIMIT_NS)
    clock.stamp(1000, NOW_NS)
    clock.skip(250)
    assert clock.stamp(1000, NOW_NS + 99 * SECOND) == NOW_NS + SECOND // 4


def test_a_machine_that_starts_in_1970_dates_nothing_before():
    assert SampleClock(1000.0, LIMIT_NS).stamp(3000, SECOND) == 0


# Lateness


@pytest.mark.parametrize("latency_ns", [0, 30 * MS])
def test_latency_is_no_drift_and_late_reads_move_nothing(latency_ns):
    clock = SampleClock(1024.0, LIMIT_NS)
    late_ns = latency_ns + np.where(np.arange(1000) % 5, 5 * SECOND, 0)
    stamps, true_ns = read_on(clock, 1000, late_ns=late_ns)
    assert set(stamps - true_ns) == {latency_ns}
    assert not clock.must_start_again


def test_a_first_read_that_came_late_wears_off_in_a_quarter_of_an_hour():
    clock = SampleClock(1024.0, LIMIT_NS)
    late_ns = np.where(np.arange(3600) == 0, 200 * MS, 20 * MS)
    stamps, true_ns = read_on(clock, 3600, late_ns=late_ns)
    off_ns = stamps - true_ns - 20 * MS
    assert off_ns[0] == 180 * MS
    assert np.abs(off_ns[900:]).max() < 4 * MS
    assert np.abs(off_ns[1800:]).max() < MS


# Drift


@pytest.mark.parametrize(("crystal_ppm", "reads_per_s"), [(100.0, 8), (-100.0, 1)])
def test_a_day_of_a_crystal_100_ppm_off_ends_where_the_host_is(crystal_ppm, reads_per_s):
    clock = SampleClock(1024.0, LIMIT_NS)
    stamps, true_ns = read_on(clock, 86_400, crystal_ppm=crystal_ppm, reads_per_s=reads_per_s)
    off_ns = np.abs(stamps - true_ns)
    assert not clock.must_start_again
    assert off_ns.max() < 5 * MS
    # Ten minutes later what is left is what the crystal does within a read or a span: 0.1 ms a second.
    assert off_ns[600 * reads_per_s :].max() < 0.2 * MS
    assert np.diff(stamps).min() > 0
    assert np.abs(rates_ppm(stamps, reads_per_s)).max() <= 500


@pytest.mark.parametrize("crystal_ppm", [20.0, -20.0])
def test_noise_of_scheduling_makes_neither_dates_nor_rate_jitter(crystal_ppm):
    clock = SampleClock(1024.0, LIMIT_NS)
    late_ns = np.random.default_rng(0).integers(0, 5 * MS, 6 * 3600 * 8)
    stamps, true_ns = read_on(clock, 6 * 3600, crystal_ppm=crystal_ppm, reads_per_s=8, late_ns=late_ns)
    settled = slice(900 * 8, None)
    assert np.abs((stamps - true_ns)[settled]).max() < MS / 4
    rates = rates_ppm(stamps[settled], 8)
    assert abs(rates.mean() - crystal_ppm) < 0.1
    # The least of 80 reads within 5 ms varies by 0.06 ms: 20 ppm a ms.
    assert rates.std() < 2


def test_a_crystal_at_the_bound_is_followed_too():
    clock = SampleClock(1024.0, LIMIT_NS)
    stamps, true_ns = read_on(clock, 86_400, crystal_ppm=495)
    assert np.abs(stamps - true_ns).max() < 25 * MS
    assert np.abs(stamps - true_ns)[-3600:].max() < MS


def test_a_rate_that_is_wrong_by_more_is_noticed_at_the_limit():
    clock, from_s = learned(600.0, 4500)  # 100 ppm beyond the bound: half a second in 5000 s
    assert not clock.must_start_again
    read_on(clock, 700, crystal_ppm=600.0, from_s=from_s)
    assert clock.must_start_again


def test_a_drift_that_was_learned_is_kept_over_starts_and_losses():
    clock, from_s = learned(-80.0)
    clock.start_again(1024.0)
    stamps, true_ns = read_on(clock, 600, crystal_ppm=-80.0, from_s=from_s + 7)
    assert np.abs(stamps - true_ns).max() < 0.1 * MS
    clock.skip(1024 * 3600)
    from_s += 7 + 4200 * (1 - 80e-6)
    stamps, true_ns = read_on(clock, 600, crystal_ppm=-80.0, from_s=from_s)
    assert np.abs(stamps - true_ns).max() < 0.2 * MS


@pytest.mark.parametrize(("counted", "most_ms"), [(True, 45), (False, 1)])
def test_what_is_being_taken_out_is_left_at_a_loss(counted, most_ms):
    clock, from_s = learned(0.0)
    step_ns = 20 * MS
    read_on(clock, 20, from_s=from_s, host_step_ns=step_ns)  # it makes that up, at hundreds of ppm
    if counted:
        clock.skip(1024 * 600)
    else:
        clock.start_again(1024.0)
    stamps, true_ns = read_on(clock, 10, from_s=from_s + 620, host_step_ns=step_ns)
    # The drift has learned a hundredth of 20 ms in ten seconds from it, twice: 40 ppm.
    assert np.abs(stamps - true_ns - step_ns).max() < most_ms * MS


# A host's clock that is set or slewed


@pytest.mark.parametrize("step_ns", [300 * MS, -300 * MS])
def test_a_small_step_is_slewed_in_ten_minutes_and_is_not_taken_for_a_drift(step_ns):
    clock, from_s = learned(20.0)
    stamps, true_ns = read_on(clock, 3600, crystal_ppm=20.0, from_s=from_s, host_step_ns=step_ns)
    assert not clock.must_start_again
    left = (stamps - true_ns - step_ns) / -step_ns  # 1: all of it
    assert np.abs(rates_ppm(stamps, 1)).max() <= 500 + 1e-3
    assert np.diff(stamps).min() > 0
    assert left[0] == pytest.approx(1, abs=0.01)
    assert 0 < left[540] < 0.2
    assert left.min() > -0.015  # overshoot: less than 4 ms
    assert np.abs(left[1300:]).max() * 300 < 1


@pytest.mark.parametrize("step_ns", [10 * SECOND, -10 * SECOND, HOUR, -HOUR])
def test_a_clock_that_was_set_is_noticed_in_two_spans_and_followed_either_way(step_ns):
    clock, from_s = learned(50.0)
    # The span in which it is set may hold a read from before; the next tells.
    read_on(clock, 4, crystal_ppm=50.0, from_s=from_s)
    read_on(clock, 16, crystal_ppm=50.0, from_s=from_s + 4, host_step_ns=step_ns)
    assert clock.must_start_again
    clock.start_again(1024.0)
    assert not clock.must_start_again
    stamps, true_ns = read_on(clock, 600, crystal_ppm=50.0, from_s=from_s + 20, host_step_ns=step_ns)
    assert np.abs(stamps - true_ns - step_ns).max() < 0.1 * MS


@pytest.mark.parametrize("crystal_ppm", [20.0, -20.0])
def test_a_host_clock_that_ntp_slews_is_followed(crystal_ppm):
    clock, from_s = learned(crystal_ppm)
    slewed_ns = np.minimum(np.arange(1, 3601) * 500_000, 300 * MS)
    stamps, true_ns = read_on(clock, 3600, crystal_ppm=crystal_ppm, from_s=from_s, late_ns=slewed_ns)
    off_ns = stamps - true_ns - slewed_ns
    assert not clock.must_start_again
    # What 500 ppm more than the drift cannot follow, adds up: 20 ppm for ten minutes; and the loop's own.
    assert np.abs(off_ns).max() < 40 * MS
    assert np.abs(off_ns[2400:]).max() < 2 * MS


# Starts


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


ACTIONS = st.sampled_from(["read"] * 8 + ["skip", "loss", "step"])


@given(
    st.floats(-700, 700),
    st.lists(st.tuples(ACTIONS, st.integers(1, 4000), st.integers(0, 2 * SECOND)), max_size=60),
)
def test_dates_rise_whatever_the_lateness_by_no_more_and_no_less_than_500_ppm(crystal_ppm, reads):
    clock = SampleClock(1e3, LIMIT_NS)
    host_ns, last = NOW_NS, None
    for action, samples, late_ns in reads:
        passed_ns = round(samples * 1e6 * (1 + crystal_ppm * 1e-6))
        host_ns += passed_ns
        if clock.must_start_again:
            clock.start_again(1e3)
            last = None  # may go back, to where the host now is
        elif action == "loss":
            clock.start_again(1e3)
        elif action == "skip":
            host_ns += passed_ns
            clock.skip(samples)
        elif action == "step":
            host_ns += late_ns - SECOND
        stamp_ns = clock.stamp(samples, host_ns + late_ns)
        if last is not None:
            before_ns, before_samples = last
            counted = before_samples + (samples if action == "skip" else 0)
            advance_ns = stamp_ns - before_ns
            assert advance_ns >= counted * 1e6 * (1 - 500e-6) - 1
            assert action == "loss" or advance_ns <= counted * 1e6 * (1 + 500e-6) + 1
        last = stamp_ns, samples


# From the receiver to the route's end


def route_hears(
    seconds, *, host_ns=lambda true_ns: true_ns, crystal_ppm=0.0, row_seconds=1, read_seconds=0.5, late_ms=40
):
    """What the route hears of a receiver that runs slow, and what the host's clock said at each read.

    Items of the route, and the host's time by which all of an item's samples had been read.
    """
    rate_hz, read = 16.0, round(16 * read_seconds)
    random = np.random.default_rng(0)
    blocks, dates = RadioBlocks("node", "band", 7, RadioState(rate_hz, 868e6, None), LIMIT_NS), BlockDates()
    rows = PsdRows(PowerSpectrum(bins=4, overlap=0.0, frames_per_row=4 * row_seconds))
    continuity = Continuity()
    noise = random.normal(size=(read, 2)).astype(np.float32).view(np.complex64)[:, 0]
    noise.flags.writeable = False
    late_ns = random.integers(0, late_ms * MS, round(seconds / read_seconds)).tolist()
    heard: list[tuple[PsdFrame | Gap, int]] = []
    for number, late in enumerate(late_ns):
        true_ns = NOW_NS + round((number + 1) * read_seconds * SECOND * (1 + crystal_ppm * 1e-6))
        now_ns = host_ns(true_ns) + late
        for block in blocks.take(Reading(noise, device_ns=None), now_ns):
            if isinstance(block, Gap):
                rows.gap(block)
                dates.break_off()
                made = [] if block.reason in TOLD_BY_THE_NEXT_ROW else continuity.gap(block)
            else:
                made = [
                    each
                    for row in rows.push(dates.counted(block))
                    for each in through(continuity, dates, row)
                ]
            heard += [(each, now_ns) for each in made]
    return heard


def through(continuity, dates, row):
    return continuity.push(decode([bytes(part) for part in encode(dates.dated(row))]))


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


@pytest.mark.parametrize("crystal_ppm", [100.0, -100.0])
def test_a_day_of_a_crystal_100_ppm_off_is_one_run_of_rows_that_are_dated_right(crystal_ppm):
    heard = route_hears(86_400, crystal_ppm=crystal_ppm, row_seconds=60, read_seconds=4, late_ms=5)
    [run], gaps = split(heard)
    assert gaps == []
    assert [frame.seq for frame, _ in run] == list(range(1440))
    dates_ns = np.array([frame.time_ns for frame, _ in run])
    true_ns = NOW_NS + np.round(np.arange(1440) * 60 * SECOND * (1 + crystal_ppm * 1e-6)).astype(np.int64)
    off_ns = dates_ns - true_ns
    assert np.abs(off_ns).max() < 10 * MS
    # The least of two or three reads within 5 ms is some 1.5 ms on average.
    assert np.abs(off_ns[30:]).max() < 4 * MS
    assert np.abs(np.diff(dates_ns) / (60 * SECOND) - 1).max() < 500e-6


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
    # A row is given out with the read that ends it; its date may be as late as the read it began with was.
    assert max(abs(now_ns - frame.end_ns) for frame, now_ns in after) < 50 * MS


@pytest.mark.parametrize("step_ns", [SECOND * 4 // 10, -SECOND * 4 // 10])
def test_a_small_step_or_a_slew_of_the_hosts_clock_is_no_gap_and_is_followed(step_ns):
    stepped = route_hears(
        1800, host_ns=lambda true_ns: true_ns + (step_ns if true_ns > NOW_NS + 50 * SECOND else 0)
    )
    # As NTP slews: 500 ppm until the same is made up.
    slewed = route_hears(
        1800, host_ns=lambda true_ns: true_ns + round(step_ns * min(1.0, (true_ns - NOW_NS) / (800 * SECOND)))
    )
    for heard in (stepped, slewed):
        [run], gaps = split(heard)
        assert gaps == []
        dates_ns = np.array([frame.time_ns for frame, _ in run])
        assert np.abs(np.diff(dates_ns) / SECOND - 1).max() < 510e-6
        assert abs(run[-1][0].end_ns - run[-1][1]) < 50 * MS
