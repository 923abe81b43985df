"""Repeat-last and NLinear: what they say, and what they learn from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bandwatch.models.forecasters.forecaster import follows
from bandwatch.models.forecasters.nlinear import NLinear
from bandwatch.models.forecasters.repeat_last import RepeatLast
from bandwatch.pipeline.frames import History, Step, read_only
from bandwatch.pipeline.state import State
from bandwatch.tests.jig import assert_lasts
from bandwatch.tests.spoiled import assert_refuses, assert_refuses_spoiled
from bandwatch.tests.steps_made import MINUTE_NS, START_NS, as_steps


def as_history(values: np.ndarray) -> History:
    return History(
        node="node",
        band="band",
        step_s=60.0,
        end_ns=START_NS,
        frequencies_hz=868e6 + 1e3 * np.arange(values.shape[1]),
        values=read_only(values.astype(np.float32)),
        season=np.zeros((0, values.shape[1]), np.float32),
        season_end_ns=np.zeros(0, np.int64),
    )


def noise(rows: int, frequencies: int = 3, seed: int = 0) -> np.ndarray:
    """A correlated series, so that there is something to learn."""
    random = np.random.default_rng(seed)
    values = np.zeros((rows, frequencies))
    for row in range(1, rows):
        values[row] = 0.8 * values[row - 1] + random.normal(size=frequencies)
    return (values - 90).astype(np.float32)


def taught(values: np.ndarray, **options: float) -> NLinear:
    nlinear = NLinear(**options)  # pyright: ignore[reportArgumentType]
    for step in as_steps(values):
        nlinear.observe(step)
    return nlinear


def test_repeat_last_repeats_the_last_step_from_the_first_history_on() -> None:
    history = as_history(noise(24))
    forecast = RepeatLast().forecast(history)
    assert forecast.shape == (12, 3)
    assert forecast.dtype == np.float32
    assert (forecast == history.values[-1]).all()


def test_nlinear_is_the_ridge_least_squares_solution_over_every_window_seen() -> None:
    values = noise(48)
    forecast = taught(values, ridge=1e-3).forecast(as_history(values[-24:]))

    windows = np.concatenate([values[i : i + 36].T for i in range(13)]).astype(np.float64)  # [13 F, 36]
    last = windows[:, 23:24]
    inputs = np.hstack([windows[:, :23] - last, np.ones((len(windows), 1))])
    penalty = np.sqrt(1e-3 * np.square(inputs[:, :23]).sum() / 23) * np.eye(24)
    penalty[23, 23] = 0
    solution = np.linalg.lstsq(
        np.vstack([inputs, penalty]), np.vstack([windows[:, 24:] - last, np.zeros((24, 12))]), rcond=None
    )[0]
    now = np.hstack([(values[-24:-1] - values[-1]).T, np.ones((3, 1))])
    assert forecast is not None
    np.testing.assert_allclose(forecast, (now @ solution).T + values[-1], atol=1e-4)


def test_nlinear_is_not_ready_before_48_steps() -> None:
    assert taught(noise(47)).forecast(as_history(noise(24))) is None
    assert taught(noise(48)).forecast(as_history(noise(24))) is not None


def test_nlinear_solves_anew_every_twelve_windows_and_not_between() -> None:
    history = as_history(noise(24, seed=5))
    values = noise(61)
    at_48, at_59, at_60 = (taught(values[:n]).forecast(history) for n in (48, 59, 60))
    assert at_48 is not None
    np.testing.assert_array_equal(at_48, at_59)
    assert not np.array_equal(at_48, at_60)


def test_nlinear_continues_a_line_that_every_frequency_follows() -> None:
    line = np.outer(np.arange(80), [0.5, 0.5, 0.5]) - 100
    forecast = taught(line[:60], ridge=1e-9).forecast(as_history(line[36:60]))
    np.testing.assert_allclose(forecast, line[60:72], atol=1e-2)


def test_nlinear_repeats_the_last_step_of_a_band_that_never_moved() -> None:
    still = np.full((60, 3), -90.0)
    forecast = taught(still).forecast(as_history(still[:24]))
    np.testing.assert_allclose(forecast, still[:12], atol=1e-4)


def test_nlinear_beats_repeat_last_on_what_returns_to_its_mean() -> None:
    values = noise(1000, 8)
    nlinear = taught(values[:800])
    own = repeated = 0.0
    for origin in range(824, 988, 4):
        history, truth = as_history(values[origin - 24 : origin]), values[origin : origin + 12]
        forecast = nlinear.forecast(history)
        assert forecast is not None
        own += np.square(forecast - truth).sum()
        repeated += np.square(RepeatLast().forecast(history) - truth).sum()
    assert own < 0.8 * repeated


def test_no_window_of_nlinear_spans_a_gap_and_what_was_learned_stays() -> None:
    values = noise(120)
    broken = NLinear()
    for step in as_steps(values[:60]):
        broken.observe(step)
    before = broken.forecast(as_history(values[:24]))
    broken.gap()
    for step in as_steps(values[60:95], first=60):  # 35 steps complete no window
        broken.observe(step)
    np.testing.assert_array_equal(broken.forecast(as_history(values[:24])), before)


def test_a_hole_in_time_restarts_the_window_without_being_told() -> None:
    values = noise(96)
    told, untold = NLinear(), NLinear()
    for step in as_steps(values[:48]):
        told.observe(step)
        untold.observe(step)
    told.gap()
    for step in as_steps(values[48:], first=50):
        told.observe(step)
        untold.observe(step)
    history = as_history(values[:24])
    np.testing.assert_array_equal(told.forecast(history), untold.forecast(history))


@pytest.mark.parametrize("jump", [-100, -40, -1, 1, 2, 36])
def test_no_window_of_nlinear_spans_a_jump_of_time_either_way(jump: int) -> None:
    values = noise(84)
    jumped = taught(values[:49])
    history = as_history(values[:24])
    before = jumped.forecast(history)
    for step in as_steps(values[49:], first=49 + jump):  # 35 steps complete no window
        jumped.observe(step)
    state = jumped.state()
    assert state["windows"] == 14
    assert len(state["running"]) == 35
    np.testing.assert_array_equal(jumped.forecast(history), before)


class Learning:
    """NLinear as a stage: steps in, a forecast from the same history after each of them out."""

    def __init__(self) -> None:
        self._nlinear = NLinear()
        self._history = as_history(noise(24, seed=9))

    def push(self, step: Step) -> list[np.ndarray | None]:
        self._nlinear.observe(step)
        return [self._nlinear.forecast(self._history)]

    def state(self) -> State:
        return self._nlinear.state()

    def restore(self, state: State) -> None:
        self._nlinear.restore(state)


def test_nlinear_goes_on_after_a_restart_to_the_bit() -> None:
    steps = as_steps(noise(130))
    assert_lasts(Learning, [*steps[:60], *steps[62:]], moments=[0, 1, 35, 36, 47, 48, 55, 61, 97, 128])


def test_a_state_that_is_not_nlinears_is_refused() -> None:
    state = taught(noise(60)).state()
    assert_refuses(NLinear, state | {"version": 2}, "state of nlinear: version is 2, needs 1")
    assert_refuses(
        NLinear,
        state | {"gram": np.zeros((12, 12))},
        "state of nlinear: gram is float64 [12, 12], needs float64 [24, 24]",
    )
    assert_refuses_spoiled(NLinear, state)
    repeat = RepeatLast()
    repeat.restore(repeat.state())


def test_the_running_window_of_nlinear_goes_on_over_a_restart() -> None:
    """After 35 steps, a restart and one more, the first window is learned."""
    steps = as_steps(noise(36))
    before, after = taught(noise(36)[:35]), NLinear()
    after.restore(before.state())
    late = 20 * MINUTE_NS // 60  # row times may jitter
    after.observe(dataclasses.replace(steps[35], start_ns=steps[35].start_ns + late))
    assert (before.state()["windows"], after.state()["windows"]) == (0, 1)


def test_reset_forgets_what_was_learned() -> None:
    nlinear = taught(noise(60))
    nlinear.reset()
    assert nlinear.forecast(as_history(noise(24))) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_frequency_that_is_not_finite_neither_teaches_nor_harms_the_others(bad: float) -> None:
    values = noise(60, 4)
    spoiled = values.copy()
    spoiled[30, 2] = bad
    spoiled[20:, 3] = bad
    history = values[-24:].copy()
    forecast = taught(spoiled).forecast(as_history(history))
    without = taught(values[:, :2]).forecast(as_history(history[:, :2]))
    assert forecast is not None
    assert without is not None
    assert np.isfinite(forecast).all()
    history[3, 1] = bad
    history[-1, 2] = bad
    spoiled_forecast = taught(spoiled).forecast(as_history(history))
    assert spoiled_forecast is not None
    np.testing.assert_array_equal(spoiled_forecast[:, [0, 3]], forecast[:, [0, 3]])
    assert (spoiled_forecast[:, 1] == history[-1, 1]).all()
    assert not np.isfinite(spoiled_forecast[:, 2]).any()


def test_nlinear_refuses_to_be_ready_before_it_can_have_seen_a_window() -> None:
    with pytest.raises(ValueError, match="ready_steps is 35, must be at least 36"):
        NLinear(ready_steps=35)


def test_a_step_follows_another_if_it_starts_where_that_ends_give_or_take_half_a_step() -> None:
    first, second, third = as_steps(noise(3))
    assert follows(second, first)
    assert not follows(third, first)
    assert not follows(first, first)
    (wider,) = as_steps(noise(1, 4), first=1)
    assert not follows(wider, first)
