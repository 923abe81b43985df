"""A fitted forecaster in the contest: what it is given of the past, whatever came of the steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bandwatch.models.contest import Contest
from bandwatch.models.forecast_fit import PAST_ROWS, Fit
from bandwatch.models.live_forecaster import LiveForecaster
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Forecast, Gap, History, Step
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.state import write_state
from bandwatch.tests.jig import assert_lasts, gap_before
from bandwatch.tests.spoiled import assert_refuses_spoiled
from bandwatch.tests.steps_made import MINUTE_NS, as_steps


class Recalls:
    """Says the row that came 30 before each target, where it knows it, else the last; keeps what it saw."""

    name = "recalls"

    def __init__(self, needs_rows: int = 40) -> None:
        self.needs_rows = needs_rows
        self.seen = np.zeros((0, 0), np.float32)

    def forecasts(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        (origin,) = origins.tolist()
        self.seen = values[origin - self.needs_rows : origin].copy()
        then = values[origin - 30 : origin - 18]
        return np.where(np.isfinite(then), then, values[origin - 1])[np.newaxis].astype(np.float32)


def fit(forecaster: Recalls | None = None, frequencies: int = 3, key: str = "abc") -> Fit:
    return Fit(
        key=key,
        node="node",
        band="band",
        unit="dB",
        step_s=60.0,
        frequencies_hz=868e6 + 1e3 * np.arange(frequencies),
        made_ns=0,
        steps=500,
        fitted_until_ns=0,
        squares=np.tile([1.0, 4.0, 1.0], (60, 1)),
        scored_until_ns=0,
        forecaster=forecaster or Recalls(),
    )


def live(forecaster: Recalls | None = None) -> LiveForecaster:
    made = LiveForecaster(lambda key: fit(key=key))
    made.use(fit(forecaster))
    return made


def noise(rows: int, frequencies: int = 3, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(rows, frequencies)) - 90).astype(np.float32)


def answers(live: LiveForecaster, items: list[Step | Gap]) -> list[np.ndarray | None]:
    """What it says with each history, the steps and gaps being the route's."""
    histories, said = Histories(), []
    for item in items:
        if isinstance(item, Gap):
            histories.gap(item)
            live.gap()
            continue
        live.observe(item)
        said += [live.forecast(history) for history in histories.push(item)]
    return said


def test_it_is_given_the_last_rows_and_what_was_before_the_first_is_unknown() -> None:
    values, forecaster = noise(100), Recalls()
    said = answers(live(forecaster), [*as_steps(values)])
    np.testing.assert_array_equal(forecaster.seen, values[60:])
    np.testing.assert_array_equal(said[-1], values[70:82])
    first = answers(live(forecaster), [*as_steps(values[:24])])
    assert len(first) == 1
    assert np.isnan(forecaster.seen[:16]).all()
    np.testing.assert_array_equal(forecaster.seen[16:], values[:24])


def test_steps_that_are_missing_are_rows_of_nan_however_the_times_jitter() -> None:
    values, forecaster = noise(80), Recalls()
    steps = as_steps(values)
    jitter = np.random.default_rng(1).integers(-14, 15, 80) * 1_000_000_000
    late = [
        dataclasses.replace(step, start_ns=step.start_ns + by, end_ns=step.end_ns + by)
        for step, by in zip(steps, jitter.tolist(), strict=True)
    ]
    answers(live(forecaster), [*late[:50], *late[53:]])
    expected = values[40:].copy()
    expected[10:13] = np.nan
    np.testing.assert_array_equal(forecaster.seen, expected)


@pytest.mark.parametrize("back", [None, 1, 500])
def test_what_means_something_else_is_not_its_past(back: int | None) -> None:
    """A gap that says so, and a clock that goes back without one."""
    values, forecaster = noise(100), Recalls()
    steps = as_steps(values)
    after: list[Step | Gap] = [gap_before(steps[70], "retuned"), *steps[70:]]
    if back is not None:
        back_ns = back * MINUTE_NS
        after = [
            dataclasses.replace(step, start_ns=step.start_ns - back_ns, end_ns=step.end_ns - back_ns)
            for step in steps[70:]
        ]
    said = answers(live(forecaster), [*steps[:70], *after])
    assert len(said) == 47 + 7
    assert np.isnan(forecaster.seen[:10]).all()
    np.testing.assert_array_equal(forecaster.seen[10:], values[70:])


def test_a_frequency_that_is_not_finite_gets_its_last_value_and_spoils_no_other() -> None:
    values, forecaster = noise(100), Recalls()
    values[90, 1] = np.inf
    said = answers(live(forecaster), [*as_steps(values)])
    assert np.isfinite(forecaster.seen[-24:]).all()
    np.testing.assert_array_equal(said[-1][:, [0, 2]], values[70:82][:, [0, 2]])
    np.testing.assert_array_equal(said[-1][:, 1], np.repeat(values[-1, 1], 12))


def test_a_channel_that_is_dead_leaves_the_older_rows_known() -> None:
    values, forecaster = noise(100), Recalls()
    values[:, 1] = np.nan
    values[65] = np.nan  # a row of which nothing is known
    said = answers(live(forecaster), [*as_steps(values)])
    assert np.isfinite(np.delete(forecaster.seen, 5, axis=0)).all()
    assert np.isnan(forecaster.seen[5]).all()
    np.testing.assert_array_equal(said[-1][:, [0, 2]], values[70:82][:, [0, 2]])


def test_without_a_fit_it_says_nothing_and_with_another_bands_it_refuses() -> None:
    steps = as_steps(noise(30))
    none = LiveForecaster(lambda key: fit(key=key))
    assert set(answers(none, [*steps])) == {None}
    none.use(fit(frequencies=5))
    with pytest.raises(BadInput, match=r"fit abc: the band has 3 at .* MHz, it was fitted on 5 at"):
        answers(none, [*steps])


def test_its_past_is_bounded(tmp_path: Path) -> None:
    sizes, long = [], live()
    for steps in (PAST_ROWS + 20, PAST_ROWS + 2000):
        long = live()
        for step in as_steps(noise(steps)):
            long.observe(step)
        sizes.append(write_state(tmp_path / "state", long.state()))
    assert sizes[0] == sizes[1]


class Stage:
    """A contest with it, whose fit is replaced on the way."""

    def __init__(self) -> None:
        self.live = LiveForecaster(lambda key: fit(key=key))
        self.contest = Contest("node", "band", [self.live])

    def push(self, item: Step | History | str) -> list:
        if isinstance(item, str):
            self.live.use(fit(key=item))
            self.contest.replaced("default", fit().squares, 2**62, 0)
            return []
        return self.contest.push(item)

    def gap(self, gap: Gap) -> list:
        return self.contest.gap(gap)

    def reset(self) -> None:
        self.contest.reset()

    def state(self) -> dict:
        return self.contest.state()

    def restore(self, state: dict) -> None:
        self.contest.restore(state)


def a_day() -> list[Step | History | Gap | str]:
    values = noise(160)
    steps = as_steps(np.concatenate([np.tile(values[:30], (3, 1)), values[90:]]))  # 30 later it comes again
    histories, items = Histories(), []
    for row, step in enumerate(steps):
        if row == 140:
            items.append(gap_before(step, "retuned"))
            histories.gap(items[-1])
        if row in (40, 100):
            items.append("first" if row == 40 else "second")
        if row not in (70, 71):
            items += [step, *histories.push(step)]
    return items


def test_stopped_anywhere_it_goes_on_to_the_bit() -> None:
    items = a_day()
    said = [output for output in drive(Stage(), items) if isinstance(output, Forecast)]
    assert {forecast.model for forecast in said} == {"repeat-last", "default"}
    assert_lasts(Stage, items, moments=[0, 30, 60, 70, 71, 120, 160, 200, len(items)])


def test_a_new_fit_is_given_out_on_its_record_of_steps_it_had_not_seen() -> None:
    values = np.tile(noise(30), (3, 1))
    stage, histories = Stage(), Histories()
    stage.push("first")
    items = [item for step in as_steps(values) for item in (step, *histories.push(step))]
    first = next(output for output in drive(stage, items) if isinstance(output, Forecast))
    assert first.model == "default", "its record says half the error of repeat-last"


def test_whatever_is_wrong_with_a_state_is_refused_or_harmless() -> None:
    full = live()
    answers(full, [*as_steps(noise(26))])
    assert_refuses_spoiled(lambda: LiveForecaster(lambda key: fit(key=key)), full.state())
