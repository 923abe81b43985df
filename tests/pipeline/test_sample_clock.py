"""Dates of samples: the host's clock once, then their count."""

from fractions import Fraction

import pytest

from bandwatch.pipeline.sample_clock import SampleClock

SECOND = 1_000_000_000
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


def test_samples_that_were_lost_and_counted_pass_time():
    clock = SampleClock(1e3, LIMIT_NS)
    clock.stamp(1000, NOW_NS)
    clock.skip(250)
    assert clock.stamp(1000, NOW_NS + 99 * SECOND) == NOW_NS + SECOND // 4
