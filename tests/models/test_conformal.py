"""Conformal intervals: how much they cover, how soon, and what moves them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from bandwatch.models.conformal import Conformal
from bandwatch.pipeline.state import State
from bandwatch.tests.jig import assert_lasts
from bandwatch.tests.spoiled import assert_refuses, assert_refuses_spoiled

FREQUENCIES = 40


class Run:
    """Forecasts of 0 of a series [n, F], as they would be made live: twelve wait for every row."""

    def __init__(self, series: np.ndarray, conformal: Conformal | None = None) -> None:
        rows, frequencies = series.shape
        self.conformal = conformal or Conformal()
        self.low, self.high = np.full((2, rows, 12, frequencies), np.nan, np.float32)  # by row and horizon
        spreads: list[np.ndarray] = []
        zero = np.zeros((12, frequencies), np.float32)
        for row in range(rows):
            spreads.append(self.conformal.spread(frequencies))
            low, high = self.conformal.interval(zero, spreads[-1])
            errors, expected = np.full((2, 12, frequencies), np.nan, np.float32)
            for ahead in range(12):
                if row + ahead < rows:
                    self.low[row + ahead, ahead], self.high[row + ahead, ahead] = low[ahead], high[ahead]
                if row >= ahead:
                    errors[ahead], expected[ahead] = series[row], spreads[row - ahead][ahead]
            self.conformal.observe(errors, expected)
        truth = series[:, np.newaxis]
        self.inside = (self.low <= truth) & (truth <= self.high)

    @property
    def ends(self) -> np.ndarray:
        spread = self.conformal.spread(self.low.shape[2])
        return np.stack(self.conformal.interval(np.zeros_like(spread), spread))


def drawn(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, FREQUENCIES)).astype(np.float32)


@pytest.mark.parametrize(
    ("law", "coverage"), [(stats.norm(0, 2), 0.5), (stats.laplace(1, 0.5), 0.9), (stats.expon(-1, 3), 0.9)]
)
def test_the_ends_are_the_quantiles_of_the_errors(law, coverage: float) -> None:
    """Bias and skew included, within the noise of 300 steps."""
    series = law.rvs(size=(300, FREQUENCIES), random_state=1).astype(np.float32)
    low, high = Run(series, Conformal(coverage=coverage)).ends.mean(axis=(1, 2))
    wanted = law.ppf([(1 - coverage) / 2, (1 + coverage) / 2])
    np.testing.assert_allclose([low, high], wanted, atol=0.1 * (wanted[1] - wanted[0]))


def test_each_frequency_and_horizon_has_its_own_width() -> None:
    scales = np.geomspace(0.1, 10, FREQUENCIES)
    run = Run((drawn(300) * scales).astype(np.float32))
    assert np.abs(run.inside[96:].mean(axis=(0, 1)) - 0.9).max() < 0.06
    width = (run.high - run.low)[-1].mean(axis=0)
    np.testing.assert_allclose(width, 2 * 1.645 * scales, rtol=0.35)


def test_few_steps_suffice() -> None:
    run = Run(drawn(200))
    assert np.isnan(run.low[:8]).all()
    assert np.isfinite(run.low[20:, 0]).all()
    assert 0.87 < run.inside[20:60, 0].mean() < 0.93
    assert 0.88 < run.inside[96:].mean() < 0.92


def test_it_follows_errors_that_grow_within_24_steps_and_those_that_shrink_later() -> None:
    series = drawn(240)
    series[120:] *= 3
    run = Run(series)
    assert run.inside[120].mean() < 0.6
    assert 0.85 < run.inside[144:168].mean() < 0.95
    less = Run(series[::-1])  # a third from row 120 on
    widths = (less.high - less.low).mean(axis=(1, 2))
    assert widths[168] < 0.8 * widths[119]
    assert widths[239] < 0.65 * widths[119]


@pytest.mark.parametrize("shift_db", [6.0, -20.0])
@pytest.mark.parametrize("believed_after", [1, 2])
def test_forecasts_made_after_a_level_shift_are_covered_within_24_steps(
    shift_db: float, believed_after: int
) -> None:
    """Repeat-last on a slow band: what was forecast before the shift misses, what is after does not.

    Or what is after its second row: one row may be a burst, and then the old level is expected back.
    """
    random = np.random.default_rng(5)
    series = np.zeros((300, FREQUENCIES), np.float32)
    for row in range(1, 300):
        series[row] = 0.8 * series[row - 1] + random.normal(size=FREQUENCIES)
    series[200:] += shift_db
    conformal, inside = Conformal(), np.full((300, 12), np.nan)
    said, spreads, ends = [], [], []
    for row in range(1, 300):  # forecasts are made after row - 1
        said.append(series[row - 1] - (shift_db if 200 < row < 200 + believed_after else 0))
        spreads.append(conformal.spread(FREQUENCIES))
        ends.append(conformal.interval(np.repeat(said[-1][np.newaxis], 12, axis=0), spreads[-1]))
        errors, expected = np.full((2, 12, FREQUENCIES), np.nan, np.float32)
        for ahead in range(min(12, row)):
            errors[ahead] = series[row] - said[-1 - ahead]
            expected[ahead] = spreads[-1 - ahead][ahead]
            low, high = (end[ahead] for end in ends[-1 - ahead])
            inside[row, ahead] = ((low <= series[row]) & (series[row] <= high)).mean()
        conformal.observe(errors, expected)
    after = np.array([[inside[row + ahead, ahead] for ahead in range(12)] for row in range(201, 225)])
    if believed_after > 1:
        assert after[0].mean() < 0.5
    assert inside[200].mean() < 0.3
    assert 0.85 < after.mean() < 0.95
    assert 0.85 < inside[224:248].mean() < 0.95
    widths = [(high - low).mean() for low, high in ends]
    assert widths[240] < 1.15 * widths[190]


def test_horizons_beyond_24_steps_learn() -> None:
    conformal = Conformal(30)
    for error in 3 * drawn(60):
        errors = np.repeat(error[np.newaxis], 30, axis=0)
        conformal.observe(errors, conformal.spread(FREQUENCIES))
    found = conformal.spread(FREQUENCIES).mean(axis=1)
    np.testing.assert_allclose(found, 3 * (2 / np.pi) ** 0.5, rtol=0.2)


def test_it_reads_nothing_but_what_has_come() -> None:
    series = drawn(150)
    wild = series.copy()
    wild[100:] = 1e6
    one, other = Run(series), Run(wild)
    # The forecast for row 100 + k at horizon h was made before row 100 where k < h.
    for later in range(12):
        np.testing.assert_array_equal(one.low[100 + later, later:], other.low[100 + later, later:])
    assert (one.low[101, 0] != other.low[101, 0]).all()


def test_the_probability_below_a_level_is_that_of_the_errors() -> None:
    law = stats.expon(-1, 3)
    run = Run(law.rvs(size=(300, FREQUENCIES), random_state=2).astype(np.float32))
    spread = run.conformal.spread(FREQUENCIES)
    mean = np.full((12, FREQUENCIES), -90, np.float32)
    for level in (-0.5, 1.0, 4.0):
        found = run.conformal.below(mean, spread, -90 + level)
        assert abs(found.mean() - law.cdf(level)) < 0.05
    levels = -90 + np.linspace(-1, 5, FREQUENCIES)
    by_frequency = run.conformal.below(mean, spread, levels)
    assert np.abs(by_frequency.mean(axis=0) - law.cdf(levels + 90)).max() < 0.12


def test_the_probability_agrees_with_the_interval() -> None:
    run = Run(drawn(200))
    spread = run.conformal.spread(FREQUENCIES)
    mean = np.zeros((12, FREQUENCIES), np.float32)
    low, high = run.conformal.interval(mean, spread)
    for column in (0, 7):
        at_low = run.conformal.below(mean, spread, low[3, column])[3, column]
        at_high = run.conformal.below(mean, spread, high[3, column])[3, column]
        assert at_low == pytest.approx(0.05, abs=1e-4)
        assert at_high == pytest.approx(0.95, abs=1e-4)


def test_missing_truth_teaches_nothing() -> None:
    series = drawn(200)
    series[:, 3] = np.nan
    series[50:60] = np.nan
    run = Run(series)
    known = np.delete(np.arange(FREQUENCIES), 3)
    rows = np.r_[96:200]
    assert 0.87 < run.inside[rows][:, :, known].mean() < 0.93
    assert np.isfinite(run.ends[:, :, known]).all()


def test_errors_without_end_or_of_nothing_break_nothing() -> None:
    still = Run(np.zeros((60, 3), np.float32))
    assert (np.abs(still.ends) < 0.01).all()
    huge = drawn(120)
    huge[60:] *= np.float32(1e30)
    assert np.isfinite(Run(huge).ends).all()


def test_another_number_of_frequencies_starts_anew_and_reset_forgets() -> None:
    conformal = Run(drawn(40)).conformal
    assert np.isnan(conformal.spread(4)).all()
    conformal.observe(np.ones((12, 4), np.float32), np.full((12, 4), np.nan, np.float32))
    assert np.isnan(conformal.spread(FREQUENCIES)).all()
    conformal = Run(drawn(40)).conformal
    conformal.reset()
    assert np.isnan(conformal.spread(FREQUENCIES)).all()


class Observed:
    """Intervals as a stage: errors of one step in, the intervals after it out."""

    def __init__(self) -> None:
        self._conformal = Conformal(3, minimum=4)

    def push(self, item: np.ndarray) -> list[np.ndarray]:
        self._conformal.observe(item, self._conformal.spread(item.shape[1]))
        spread = self._conformal.spread(item.shape[1])
        return [spread, *self._conformal.interval(np.zeros_like(spread), spread)]

    def state(self) -> State:
        return self._conformal.state()

    def restore(self, state: State) -> None:
        self._conformal.restore(state)


def test_they_go_on_after_a_restart_to_the_bit() -> None:
    random = np.random.default_rng(4)
    items = [random.normal(size=(3, 2)).astype(np.float32) for _ in range(40)]
    items[7][1, 1] = np.nan
    items[30] += 50
    items += [random.normal(size=(3, 5)).astype(np.float32) for _ in range(8)]
    assert_lasts(Observed, items, moments=[0, 3, 31, 41])


def test_a_state_of_other_intervals_is_refused() -> None:
    state = Run(drawn(30)).conformal.state()
    old = {"residuals": np.zeros((12, 3, 128), np.float32), "seen": np.zeros(12, np.int64)}
    refusals: list[tuple[Callable[[], Conformal], State, str]] = [
        (Conformal, old, "state of conformal intervals: lacks version"),
        (Conformal, state | {"version": 1}, "state of conformal intervals: version is 1, needs 2"),
        (lambda: Conformal(6), state, "state of conformal intervals: steps is int64 [12], needs int64 [6]"),
    ]
    for make, each, message in refusals:
        assert_refuses(make, each, message)
    assert_refuses_spoiled(Conformal, state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage": 1.0}, "coverage is 1.0, must lie between 0 and 1"),
        ({"minimum": 0}, "minimum is 0, must be at least 1"),
    ],
)
def test_it_refuses_limits_that_mean_nothing(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Conformal(**options)  # pyright: ignore[reportArgumentType]
