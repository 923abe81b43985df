"""The contest over missing rows, clocks that go back and restarts of the agent."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bandwatch.models.contest import Contest
from bandwatch.models.forecasters.forecaster import Forecaster
from bandwatch.models.forecasters.nlinear import NLinear
from bandwatch.models.scoring import Score
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Forecast, Gap, GapReason, History, Step
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.state import State, write_state
from bandwatch.tests.jig import assert_lasts, gap_before, same
from bandwatch.tests.spoiled import assert_refuses, assert_refuses_spoiled
from bandwatch.tests.steps_made import MINUTE_NS, as_steps

Item = Step | History | Gap


class Mean:
    """Forecasts the mean of all the steps it has observed, whatever is missing between them."""

    name = "mean"

    def __init__(self, version: int = 1) -> None:
        self._version = version
        self.reset()

    def observe(self, step: Step) -> None:
        self._count += 1
        self._sum = self._sum + np.nan_to_num(step.values).astype(np.float64)

    def forecast(self, history: History) -> np.ndarray | None:
        return np.repeat(np.atleast_2d(self._sum / self._count), 12, axis=0).astype(np.float32)

    def gap(self) -> None: ...

    def reset(self) -> None:
        self._count, self._sum = 0, np.zeros(1)

    def state(self) -> State:
        return {"version": self._version, "count": self._count, "sum": self._sum.tolist()}

    def restore(self, state: State) -> None:
        self.reset()
        if state["version"] != self._version:
            raise BadInput(f"mean: version {state['version']}, limit {self._version}")
        self._count, self._sum = state["count"], np.array(state["sum"])


class Refusing(Mean):
    """Takes no part in any band."""

    name = "refusing"

    def forecast(self, history: History) -> np.ndarray | None:
        raise BadInput("refusing: no band is mine")


def a_contest(*forecasters: Forecaster) -> Contest:
    return Contest("node", "band", forecasters or [NLinear(), Mean(), Refusing()])


def noise(rows: int, frequencies: int = 3, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(rows, frequencies)) - 90).astype(np.float32)


def on_the_route(items: list[Step | Gap]) -> list[Item]:
    """Steps and gaps as the route has them: each step followed by the history it completes."""
    histories = Histories()
    given: list[Item] = []
    for item in items:
        given += [item, *(histories.gap(item) if isinstance(item, Gap) else histories.push(item))]
    return given


def an_eventful_night(rows: int = 200) -> list[Item]:
    """Steps missing with and without a gap that says so, NaN, a retune, a clock that goes back."""
    values = noise(rows)
    values[50:60, 1] = np.nan
    steps = as_steps(values)
    events: dict[int, GapReason] = {70: "lost", 120: "retuned", 160: "clock"}
    items: list[Step | Gap] = []
    for row, step in enumerate(steps):
        if row in events:
            items.append(gap_before(step, events[row]))
        if row not in (70, 71, 95):
            back_ns = 30 * MINUTE_NS if row >= 160 else 0
            items.append(
                dataclasses.replace(step, start_ns=step.start_ns - back_ns, end_ns=step.end_ns - back_ns)
            )
    return on_the_route(items)


def scores_of(outputs: list[Forecast | Score]) -> list[Score]:
    return [output for output in outputs if isinstance(output, Score)]


# A restart of the agent


def test_stopped_anywhere_it_goes_on_to_the_bit() -> None:
    items = an_eventful_night()
    outputs = drive(a_contest(), items)
    assert len({forecast.model for forecast in outputs if isinstance(forecast, Forecast)}) > 1
    moments = [0, 1, 47, 121, 122, 123, 200, 230, len(items)]
    assert_lasts(a_contest, items, moments=moments)


def test_a_state_that_does_not_fit_is_refused_in_one_line_and_leaves_a_new_contest() -> None:
    contest = a_contest()
    drive(contest, on_the_route([*as_steps(noise(60))]))
    state = contest.state()
    assert_refuses(
        lambda: Contest("node", "band", [NLinear()], horizon=6),
        state,
        "state of contest of node/band: horizon is 12, needs 6",
    )
    assert_refuses(
        lambda: Contest("node", "other", [NLinear()]),
        state,
        "state of contest of node/other: band is 'band', needs 'other'",
    )
    lacking = {name: value for name, value in state.items() if name != "standings"}
    assert_refuses(a_contest, lacking, "state of contest of node/band: lacks standings")
    assert_refuses(
        a_contest,
        state | {"conformal": state["conformal"] | {"version": 1}},
        "state of conformal intervals: version is 1, needs 2",
    )


def test_whatever_is_wrong_with_a_state_is_refused_or_harmless() -> None:
    contest = a_contest(Rest())
    drive(contest, on_the_route([*as_steps(noise(27))]))
    names = ("records", "means", "refused", "forecasters")
    assert_refuses_spoiled(lambda: a_contest(Rest()), contest.state(), any_names=names)


class Rest(Mean):
    """Keeps nothing over a restart."""

    name = "rest"

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        self.reset()


def test_a_forecaster_of_another_version_begins_anew_and_the_others_go_on() -> None:
    steps = as_steps(noise(150))
    old = a_contest(NLinear(), Mean(version=1))
    drive(old, on_the_route([*steps[:100]]))
    new = a_contest(NLinear(), Mean(version=2))
    new.restore(old.state())
    assert new.not_restored == {"mean": "mean: version 1, limit 2"}
    state, was = new.state(), old.state()
    assert state["forecasters"]["mean"]["count"] == 0
    records, earned = state["standings"]["records"], was["standings"]["records"]
    assert len(records["mean"]) == 0, "the record is of the version that earned it"
    for kept in ("nlinear",):
        assert same(state["forecasters"][kept], was["forecasters"][kept])
        assert same(records[kept], earned[kept])
    assert same(state["conformal"], was["conformal"])
    assert scores_of(new.push(steps[100])) == []


def test_forecasters_that_came_or_went_do_no_harm() -> None:
    steps = as_steps(noise(130))
    old = a_contest(NLinear(), Refusing())
    drive(old, on_the_route([*steps[:100]]))
    new = a_contest(Mean(), NLinear())
    new.restore(old.state())
    assert new.not_restored == {}
    assert new.refused == {}
    assert len(scores_of(new.push(steps[100]))) == 12
    assert same(new.state()["forecasters"]["nlinear"], followed(old, steps[100])["forecasters"]["nlinear"])


def followed(contest: Contest, step: Step) -> State:
    contest.push(step)
    return contest.state()


def test_what_it_knows_grows_no_more_however_long_it_runs(tmp_path: Path) -> None:
    contest = a_contest()
    items = on_the_route([*as_steps(noise(900))])
    drive(contest, items[: 2 * 400])
    size = write_state(tmp_path / "state", contest.state())
    drive(contest, items[2 * 400 :])
    # Counts and times may take a byte more as they grow.
    assert write_state(tmp_path / "state", contest.state()) <= size + 16


# Missing rows


@pytest.mark.parametrize("reason", ["lost", "overflow", "source", "restart"])
def test_missing_rows_change_nothing_but_what_is_missing(reason: GapReason) -> None:
    steps = as_steps(noise(200))
    untold = [*steps[:80], *steps[83:]]
    told = [*steps[:80], gap_before(steps[80], reason), *steps[83:]]
    assert same(drive(a_contest(), on_the_route(told)), drive(a_contest(), on_the_route(untold)))


@pytest.mark.parametrize("reason", ["lost", "overflow", "source", "restart"])
def test_a_waiting_forecast_is_scored_by_the_steps_after_a_hole_at_their_own_horizons(
    reason: GapReason,
) -> None:
    steps = as_steps(noise(120))
    contest = a_contest()
    drive(contest, on_the_route([*steps[:30]]))
    contest.gap(gap_before(steps[30], reason))
    scores = scores_of(contest.push(steps[34]))
    assert [score.horizon for score in scores] == list(range(5, 12))
    assert all(score.end_ns - score.made_ns == score.horizon * MINUTE_NS for score in scores)
    for score in scores:
        error = noise(120)[score_row(score)] - noise(120)[34]
        assert score.repeat_last_rmse_db == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-5)


def score_row(score: Score) -> int:
    """The row of `as_steps` that a forecast was made after."""
    return (score.made_ns - as_steps(noise(1))[0].end_ns) // MINUTE_NS


def test_forecasts_too_old_for_any_step_are_let_go() -> None:
    steps = as_steps(noise(60))
    contest = a_contest()
    drive(contest, on_the_route([*steps[:36]]))
    assert len(contest.state()["waiting"]["forecasts"]) == 12
    contest.push(steps[44])
    assert [f["made_ns"] for f in contest.state()["waiting"]["forecasts"]] == [
        step.end_ns for step in steps[32:36]
    ]
    contest.push(steps[59])
    assert contest.state()["waiting"]["forecasts"] == []


@pytest.mark.parametrize("reason", ["lost", None])
@pytest.mark.parametrize("back_steps", [1, 5, 500])
def test_after_a_clock_that_went_back_nothing_is_scored_by_what_was_said_before(
    reason: GapReason | None, back_steps: int
) -> None:
    """The gap that comes with it may be one that hides it."""
    steps = as_steps(noise(140))
    back_ns = back_steps * MINUTE_NS
    late = [
        dataclasses.replace(step, start_ns=step.start_ns - back_ns, end_ns=step.end_ns - back_ns)
        for step in steps[80:]
    ]
    contest = a_contest()
    drive(contest, on_the_route([*steps[:80]]))
    if reason is not None:
        contest.gap(gap_before(late[0], reason))
    after = drive(contest, on_the_route([*late]))
    first = next(output for output in after if isinstance(output, Forecast))
    scores = scores_of(after)
    assert scores
    assert min(score.made_ns for score in scores) == first.made_ns
    assert len(scores) == sum(min(row, 12) for row in range(1, 60 - 24 + 1))


def test_a_jump_of_the_clock_ahead_scores_only_what_still_speaks_of_that_time() -> None:
    steps = as_steps(noise(120))
    contest = a_contest()
    drive(contest, on_the_route([*steps[:80]]))
    assert scores_of(contest.push(steps[110])) == []


def test_another_gain_is_another_meaning_even_where_no_gap_says_so() -> None:
    """A source that starts anew may come back with another gain: the gap is a restart."""
    steps = [dataclasses.replace(step, gain_db=20.0) for step in as_steps(noise(120))]
    louder = [dataclasses.replace(step, gain_db=30.0) for step in steps[80:]]
    hidden, told = a_contest(), a_contest()
    for contest, reason in ((hidden, "restart"), (told, "gain")):
        drive(contest, on_the_route([*steps[:80]]))
        contest.gap(gap_before(louder[0], reason))
    after = on_the_route([*louder])
    assert same(drive(hidden, after), drive(told, after))
    assert same(hidden.state(), told.state())
