"""The contest: scores are right, come before learning, and the better forecaster is given out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from bandwatch.models.contest import Contest
from bandwatch.models.forecasters.forecaster import Forecaster
from bandwatch.models.forecasters.nlinear import NLinear
from bandwatch.models.forecasters.repeat_last import RepeatLast
from bandwatch.models.scoring import Score
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Forecast, History, Step
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.state import State
from bandwatch.tests.jig import assert_is_stage, gap_before, same
from bandwatch.tests.steps_made import MINUTE_NS, START_NS, as_steps


class Rule:
    """A forecaster with a simple rule: float32 [24, F] -> [12, F]."""

    def __init__(self, name: str, rule: Callable[[np.ndarray], np.ndarray]) -> None:
        self.name = name
        self._rule = rule

    def observe(self, step: Step) -> None: ...

    def forecast(self, history: History) -> np.ndarray | None:
        return self._rule(history.values).astype(np.float32)

    def gap(self) -> None: ...

    def reset(self) -> None: ...

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None: ...


def mean_rule(name: str = "mean") -> Rule:
    return Rule(name, lambda values: np.repeat(values.mean(axis=0)[np.newaxis], 12, axis=0))


def off_rule(name: str, off_db: float) -> Rule:
    return Rule(name, lambda values: np.repeat(values[-1:], 12, axis=0) + off_db)


def with_histories(steps: list[Step]) -> list[Step | History]:
    """Steps as the route has them: each followed by the history it completes."""
    histories = Histories()
    items: list[Step | History] = []
    for step in steps:
        items += [step, *histories.push(step)]
    return items


def noise(rows: int, frequencies: int = 3, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(rows, frequencies)) - 90).astype(np.float32)


def a_contest(*forecasters: Forecaster, **options: int) -> Contest:
    return Contest("node", "band", forecasters, **options)


def forecasts_of(outputs: list[Forecast | Score]) -> list[Forecast]:
    return [output for output in outputs if isinstance(output, Forecast)]


def scores_of(outputs: list[Forecast | Score]) -> list[Score]:
    return [output for output in outputs if isinstance(output, Score)]


def test_the_contest_is_a_stage() -> None:
    items = with_histories(as_steps(noise(110)))
    outputs = assert_is_stage(
        lambda: a_contest(NLinear(), mean_rule()), items, make_gap=gap_before_any, gap_forgets=False
    )
    assert len(forecasts_of(outputs)) == 87
    assert scores_of(outputs)


def gap_before_any(item: Step | History):
    if isinstance(item, Step):
        return gap_before(item, "retuned")
    return dataclasses.replace(gap_before(as_steps(noise(1))[0], "retuned"), time_ns=item.end_ns)


def test_a_score_says_how_far_the_given_forecast_was_off() -> None:
    values = noise(40)
    outputs = drive(a_contest(), with_histories(as_steps(values)))
    scores = scores_of(outputs)
    # Forecasts are made after steps 24..40; step 25 + k scores at most 12 of those before it.
    assert len(scores) == sum(min(row - 24, 12) for row in range(25, 41))
    last = scores[-12:]
    assert [score.horizon for score in last] == list(range(1, 13))
    for score in last:
        error = values[39 - score.horizon] - values[39]
        assert score.end_ns == START_NS + 40 * MINUTE_NS
        assert score.made_ns == score.end_ns - score.horizon * MINUTE_NS
        assert score.model == "repeat-last"
        assert score.mae_db == pytest.approx(np.abs(error).mean(), rel=1e-5)
        assert score.rmse_db == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-5)
        assert score.repeat_last_rmse_db == pytest.approx(score.rmse_db, rel=1e-5)
        # Horizon h has been proven 17 - 2 h times when its forecast for step 40 is made; 8 times are needed.
        assert np.isnan(score.coverage_ratio) == (score.horizon > 4)


def test_repeat_last_is_given_out_until_another_has_proven_better() -> None:
    forecasts = forecasts_of(drive(a_contest(mean_rule()), with_histories(as_steps(noise(70)))))
    models = [forecast.model for forecast in forecasts]
    # The first forecast is scored one step later; 24 scored steps are enough.
    assert models[:24] == ["repeat-last"] * 24
    assert set(models[24:]) == {"mean"}


def test_the_given_forecast_is_the_chosen_forecasters() -> None:
    items = with_histories(as_steps(noise(70)))
    last = forecasts_of(drive(a_contest(mean_rule()), items))[-1]
    history = items[-1]
    assert isinstance(history, History)
    np.testing.assert_array_equal(last.mean, mean_rule().forecast(history))
    assert last.made_ns == history.end_ns
    assert last.step_s == 60.0
    assert not last.mean.flags.writeable


def test_the_one_with_the_lowest_error_wins() -> None:
    worse, better = off_rule("worse", 2.0), mean_rule()
    forecasts = forecasts_of(drive(a_contest(worse, better), with_histories(as_steps(noise(70)))))
    assert forecasts[-1].model == "mean"


def test_ties_go_to_repeat_last_and_then_to_the_earlier() -> None:
    same_as_repeat = off_rule("copy", 0.0)
    items = with_histories(as_steps(noise(70)))
    assert forecasts_of(drive(a_contest(same_as_repeat), items))[-1].model == "repeat-last"
    twins = mean_rule("first"), mean_rule("second")
    assert forecasts_of(drive(a_contest(*twins), items))[-1].model == "first"


def test_a_band_that_stands_still_keeps_repeat_last() -> None:
    items = with_histories(as_steps(np.full((70, 3), -90.0)))
    forecasts = forecasts_of(drive(a_contest(off_rule("off", 1.0), off_rule("copy", 0.0)), items))
    assert {forecast.model for forecast in forecasts} == {"repeat-last"}


def test_only_recent_errors_count() -> None:
    """Noise, where the mean wins, then a ramp, where it loses."""
    values = np.concatenate([noise(80), -90 + np.outer(np.arange(60) * 2.0, np.ones(3))])
    items = with_histories(as_steps(values))
    forecasts = forecasts_of(drive(a_contest(mean_rule(), recent=30), items))
    models = [forecast.model for forecast in forecasts]
    assert models[50] == "mean"
    assert models[-1] == "repeat-last"


def test_what_comes_later_changes_nothing_earlier() -> None:
    values = noise(120)
    corrupted = values.copy()
    corrupted[90:] = 1e6 * np.random.default_rng(1).normal(size=(30, 3))
    outputs = []
    for series in (values, corrupted):
        contest = a_contest(NLinear(), mean_rule())
        outputs.append(drive(contest, with_histories(as_steps(series)[:90])))
        whole = drive(a_contest(NLinear(), mean_rule()), with_histories(as_steps(series)))
        assert same(whole[: len(outputs[-1])], outputs[-1])
    assert same(outputs[0], outputs[1])


def test_a_step_is_scored_by_forecasts_that_had_not_seen_it() -> None:
    """A wild step changes its scores, not the forecasts it is scored against, nor their intervals."""
    values = noise(100)
    wild = values.copy()
    wild[80] += 50
    calm_contest, wild_contest = a_contest(NLinear()), a_contest(NLinear())
    drive(calm_contest, with_histories(as_steps(values)[:80]))
    drive(wild_contest, with_histories(as_steps(wild)[:80]))
    calm_scores = scores_of(calm_contest.push(as_steps(values)[80]))
    wild_scores = scores_of(wild_contest.push(as_steps(wild)[80]))
    assert [s.model for s in calm_scores] == [s.model for s in wild_scores]
    for calm, hit in zip(calm_scores, wild_scores, strict=True):
        assert hit.mae_db > calm.mae_db + 40
        assert hit.coverage_ratio == 0


def test_intervals_cover_about_nine_in_ten() -> None:
    outputs = drive(a_contest(mean_rule()), with_histories(as_steps(noise(400, 20))))
    covered = [score.coverage_ratio for score in scores_of(outputs) if not np.isnan(score.coverage_ratio)]
    assert 0.87 < np.mean(covered) < 0.94
    forecasts = forecasts_of(outputs)
    assert np.isnan(forecasts[7].low).all()
    assert np.isfinite(forecasts[8].low[0]).all()
    assert np.isnan(forecasts[8].low[1:]).all()
    assert (forecasts[-1].low < forecasts[-1].high).all()


@pytest.mark.parametrize("reason", ["retuned", "gain", "clock"])
def test_no_forecast_is_scored_across_a_gap_that_changes_meaning_and_learning_stays(reason) -> None:
    steps = as_steps(noise(120))
    contest = a_contest(mean_rule())
    drive(contest, with_histories(steps[:80]))
    assert contest.gap(gap_before(steps[80], reason)) == []
    after = drive(contest, with_histories(steps[80:]))
    assert min(score.made_ns for score in scores_of(after)) >= steps[80].start_ns
    first = forecasts_of(after)[0]
    assert first.model == "mean"
    assert np.isfinite(first.low).all()


def test_forecasts_are_matched_by_time_when_steps_are_missing() -> None:
    steps = as_steps(noise(60))
    contest = a_contest()
    drive(contest, with_histories(steps[:30]))
    scores = scores_of(contest.push(steps[34]))  # steps 30..33 never came, and nobody said so
    assert [score.horizon for score in scores] == list(range(5, 12))
    assert scores_of(contest.push(as_steps(noise(1), first=90)[0])) == []


def test_row_times_may_jitter_by_less_than_half_a_step() -> None:
    steps = as_steps(noise(30))
    late = [
        dataclasses.replace(step, start_ns=step.start_ns + late, end_ns=step.end_ns + late)
        for step, late in zip(steps, np.arange(30) * 10_000_000, strict=True)
    ]
    contest = a_contest()
    items = with_histories(steps[:24])
    drive(contest, items)
    assert [score.horizon for step in late[24:] for score in scores_of(contest.push(step))] == [*range(1, 7)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_truth_that_is_not_finite_counts_nowhere(bad: float) -> None:
    values = noise(30)
    values[29, 1] = bad
    clean = scores_of(drive(a_contest(), with_histories(as_steps(values[:, [0, 2]]))))
    spoiled = scores_of(drive(a_contest(), with_histories(as_steps(values))))
    assert [s.rmse_db for s in spoiled[-6:]] == pytest.approx([s.rmse_db for s in clean[-6:]])
    values[29] = bad
    nothing = scores_of(drive(a_contest(), with_histories(as_steps(values))))
    assert len(nothing) == len(spoiled) - 6


def test_a_forecaster_that_says_nan_never_wins_and_recovers() -> None:
    broken = Rule("broken", lambda values: np.full((12, values.shape[1]), np.nan))
    forecasts = forecasts_of(drive(a_contest(broken), with_histories(as_steps(noise(80)))))
    assert {forecast.model for forecast in forecasts} == {"repeat-last"}


def test_a_forecaster_that_refuses_the_geometry_is_left_out_and_named() -> None:
    def refuse(values: np.ndarray) -> np.ndarray:
        raise BadInput("forecast model: the band has 3 frequencies, the model was trained on 5")

    contest = a_contest(Rule("cnn-lstm", refuse), mean_rule())
    outputs = drive(contest, with_histories(as_steps(noise(70))))
    assert forecasts_of(outputs)[-1].model == "mean"
    assert contest.refused == {
        "cnn-lstm": "forecast model: the band has 3 frequencies, the model was trained on 5"
    }


def test_other_frequencies_or_another_step_are_another_band() -> None:
    contest = a_contest(mean_rule(), NLinear())
    drive(contest, with_histories(as_steps(noise(80))))
    items = with_histories(as_steps(noise(100, 5)))
    assert same(drive(contest, items), drive(a_contest(mean_rule(), NLinear()), items))
    longer = [dataclasses.replace(item, step_s=120.0) for item in items]
    assert same(drive(contest, longer), drive(a_contest(mean_rule(), NLinear()), longer))


def test_an_item_of_another_band_is_refused() -> None:
    (step,) = as_steps(noise(1))
    message = "contest of node/band: got an item of node/other, takes only its own band's"
    with pytest.raises(BadInput, match=message):
        a_contest().push(dataclasses.replace(step, band="other"))


def test_repeat_last_is_a_candidate_named_or_not() -> None:
    items = with_histories(as_steps(noise(70)))
    assert same(drive(a_contest(RepeatLast(), mean_rule()), items), drive(a_contest(mean_rule()), items))


def test_a_shorter_horizon_is_kept_throughout() -> None:
    outputs = drive(a_contest(mean_rule(), horizon=3), with_histories(as_steps(noise(80))))
    assert {forecast.mean.shape for forecast in forecasts_of(outputs)} == {(3, 3)}
    assert {score.horizon for score in scores_of(outputs)} == {1, 2, 3}


def test_two_forecasters_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="forecasters of band band share a name: mean, mean"):
        a_contest(mean_rule(), mean_rule())
    with pytest.raises(ValueError, match="enough is 30, must lie between 1 and recent 20"):
        a_contest(enough=30, recent=20)
