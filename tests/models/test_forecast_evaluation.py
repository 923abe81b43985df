"""Forecasters learn from the training rows alone, see no row they may not, and are scored alike."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from bandwatch.models.forecast_evaluation import EvaluationWatch, evaluate_forecasts, trainings
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.forecast_tables import markdown_tables
from bandwatch.models.forecast_work import ForecastWork
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import levels, write_recording


@dataclass
class Shifted:
    """Says the last value plus `db`; looks `ahead` rows further than it may."""

    db: float = 0.0
    ahead: int = 0
    name: str = "shifted"
    needs_rows: int = 24
    outputs: slice | None = None

    def forecasts(self, values, origins):
        last = values[origins - 1 + self.ahead][:, np.newaxis, self.outputs]
        return np.repeat(last + np.float32(self.db), 12, axis=1)


@dataclass
class Trains:
    """A trainer that notes what it was shown and shifts by a tenth of its seed."""

    ahead: int = 0
    needs_rows: int = 24
    shown: list = field(default_factory=list)
    seeds: list = field(default_factory=list)
    killed_at_seed: int | None = None

    def __call__(self, problem, seed, watch):
        self.shown.append(problem)
        self.seeds.append(seed)
        watch.on_epoch(1, 2)
        if seed == self.killed_at_seed:
            raise KeyboardInterrupt
        return Shifted(seed / 10, self.ahead, "shifted", self.needs_rows, problem.outputs)


def question(folder, values=None, *, train=slice(0, 60), test=slice(60, 100), columns=None, horizon=12):
    values = levels(100, 6) if values is None else values
    rows = ForecastRows.read(open_recording(write_recording(folder / "band.npy", values)), None)
    return ForecastQuestion(rows, train, test, columns or [slice(1, 4)], horizon)


def test_training_is_shown_the_training_rows_and_nothing_else(tmp_path):
    values, trainer = levels(100, 6), Trains()
    evaluate_forecasts(question(tmp_path, values, train=slice(5, 60)), {"network": trainer}, 1)
    (problem,) = trainer.shown
    assert (problem.table.values == values[5:60]).all()
    base = problem.table.values.base
    assert base is None or base.shape == (55, 6)  # no view, beside which the rest could be found
    assert problem.outputs == slice(1, 4)


def test_every_origin_whose_targets_lie_in_the_test_rows_is_scored_and_no_other(tmp_path):
    values = levels(100, 6)
    found = evaluate_forecasts(question(tmp_path, values), {"repeat-last": Trains()}, 3)
    origins = range(60, 89)
    assert found.question.origins.tolist() == list(origins)
    error = np.stack([values[o - 1, 1:4] - values[o : o + 12, 1:4] for o in origins]).astype(np.float64)
    figures = found.record()["models"]["repeat-last"]
    assert figures["rmse"] == pytest.approx(np.sqrt(np.square(error).mean()))
    assert figures["rmse_by_horizon"] == pytest.approx(np.sqrt(np.square(error).mean(axis=(0, 2))))
    assert figures["rmse_by_seed"] == [figures["rmse"]]  # it knows no chance: trained once
    assert found.predictions()["repeat-last"].shape == (29, 12, 3)


def test_figures_are_means_over_seeds_with_their_spread(tmp_path):
    trainer = Trains()
    found = evaluate_forecasts(question(tmp_path), {"network": trainer}, 3)
    truth = found.question.truth(slice(1, 4))
    last = truth[:, :1] * 0 + found.predictions()["network"]  # seed 0 shifts by nothing
    by_seed = [np.sqrt(np.square((last - truth).astype(np.float64) + s / 10).mean()) for s in range(3)]
    figures = found.record()["models"]["network"]
    assert trainer.seeds == [0, 1, 2]
    assert figures["rmse_by_seed"] == pytest.approx(by_seed, rel=1e-5)
    assert figures["rmse"] == pytest.approx(np.mean(by_seed), rel=1e-5)
    assert figures["rmse_std"] == pytest.approx(np.std(by_seed, ddof=1), rel=1e-3)


def test_who_looks_ahead_or_further_back_than_it_says_is_found_out(tmp_path):
    for trainer in (Trains(ahead=1), Trains(needs_rows=0)):
        with pytest.raises(RuntimeError, match="shifted: its forecast for row 60 changes with rows other"):
            evaluate_forecasts(question(tmp_path), {"network": trainer}, 1)


def test_rows_after_an_origin_change_no_forecast_and_test_rows_no_training(tmp_path):
    values = levels(100, 6)
    corrupt = values.copy()
    corrupt[75:] = 1e6
    trainers = Trains(), Trains()
    before, after = (
        evaluate_forecasts(question(tmp_path, each), {"network": trainer}, 1).predictions()["network"]
        for each, trainer in zip((values, corrupt), trainers, strict=True)
    )
    assert (trainers[0].shown[0].table.values == trainers[1].shown[0].table.values).all()
    assert (before[: 75 - 60 + 1] == after[: 75 - 60 + 1]).all()
    assert (before[75 - 60 + 1 :] != after[75 - 60 + 1 :]).any()


def test_origins_that_a_missing_row_touches_are_left_out_and_counted(tmp_path):
    values = levels(200, 6)
    values[120] = np.nan
    asked = question(tmp_path, values, train=slice(0, 60), test=slice(10, 60))
    assert asked.left_out == {"no_history": 14, "broken": 0}
    asked = question(tmp_path, values, test=slice(60, 200))
    assert asked.origins.tolist() == [*range(60, 109), *range(145, 189)]
    assert asked.left_out == {"no_history": 0, "broken": 36}
    evaluation = evaluate_forecasts(asked, {"repeat-last": Trains()}, 1)
    assert evaluation.predictions()["repeat-last"][:, 0, 0] == pytest.approx(values[asked.origins - 1, 1])


def test_several_sets_of_columns_are_trained_apart_and_pooled(tmp_path):
    trainer = Trains()
    sets = [slice(4, 6), slice(0, 3)]
    found = evaluate_forecasts(question(tmp_path, columns=sets), {"network": trainer}, 1)
    assert [problem.outputs for problem in trainer.shown] == sets
    record = found.record()
    assert found.predictions()["network"].shape == (29, 12, 5)
    parts = [each["models"]["network"]["rmse"] for each in record["column_sets"]]
    assert record["models"]["network"]["rmse"] ** 2 == pytest.approx(
        np.average(np.square(parts), weights=[2, 3])
    )
    assert [each["columns"] for each in record["column_sets"]] == [[4, 6], [0, 3]]
    table = markdown_tables(found)
    assert f"| network | {parts[0]:.4f} |" in table


def test_a_shorter_horizon_scores_the_first_steps_of_the_same_forecasts(tmp_path):
    found = evaluate_forecasts(question(tmp_path, horizon=3), {"repeat-last": Trains()}, 1)
    assert found.question.origins.tolist() == list(range(60, 98))
    assert found.predictions()["repeat-last"].shape == (38, 3, 3)
    assert len(found.record()["models"]["repeat-last"]["rmse_by_horizon"]) == 3


def test_what_was_finished_before_a_kill_is_not_done_again(tmp_path):
    asked, work = question(tmp_path), ForecastWork(tmp_path / "work")
    whole = evaluate_forecasts(asked, {"network": Trains()}, 3)
    killed, again, third = Trains(killed_at_seed=1), Trains(), Trains()
    with pytest.raises(KeyboardInterrupt):
        evaluate_forecasts(asked, {"network": killed}, 3, work)
    told = []
    watch = EvaluationWatch(on_answers=lambda: told.append(1))
    resumed = evaluate_forecasts(asked, {"network": again}, 3, work, watch)
    assert again.seeds == [1, 2]
    assert len(told) == trainings(asked, {"network": again}, 3) == 3
    assert (
        resumed.record()["models"]["network"]["rmse_by_seed"]
        == (whole.record()["models"]["network"]["rmse_by_seed"])
    )
    for each in (question(tmp_path, train=slice(0, 59)), question(tmp_path, test=slice(60, 99))):
        evaluate_forecasts(each, {"network": third}, 1, work)
    assert third.seeds == [0, 0]  # another question is not answered by these


def test_an_answer_that_is_not_whole_is_made_again(tmp_path):
    asked, work, trainer = question(tmp_path), ForecastWork(tmp_path / "work"), Trains()
    evaluate_forecasts(asked, {"network": trainer}, 1, work)
    (kept,) = work.folder.glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:-40])
    evaluate_forecasts(asked, {"network": trainer}, 1, work)
    assert trainer.seeds == [0, 0]


def test_seconds_of_a_killed_training_count(tmp_path):
    asked, work = question(tmp_path), ForecastWork(tmp_path / "work")
    now = 0.0

    def trainer(problem, seed, watch):
        nonlocal now
        watch.checkpoint.touch()
        now += 30
        watch.on_epoch(1, 2)
        now += 7  # of an epoch that did not end
        if seed == 0 and not resumed:
            raise KeyboardInterrupt
        return Shifted(outputs=problem.outputs)

    resumed = False
    with pytest.raises(KeyboardInterrupt):
        evaluate_forecasts(asked, {"network": trainer}, 1, work, clock=lambda: now)
    resumed = True
    found = evaluate_forecasts(asked, {"network": trainer}, 1, work, clock=lambda: now)
    assert found.record()["models"]["network"]["training_seconds"] == 30 + 37
    assert [path.suffix for path in work.folder.iterdir()] == [".npz"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": slice(0, 101)}, "--train-rows 0:101: the data has 100 rows"),
        ({"test": slice(60, 101)}, "--test-rows 60:101: the data has 100 rows"),
        ({"train": slice(0, 70)}, "--test-rows 60:100: shares 10 rows with --train-rows 0:70; limit: none"),
        ({"train": slice(0, 100), "test": slice(20, 80)}, "shares 60 rows"),
        ({"columns": [slice(0, 2), slice(3, 7)]}, "--out-columns 3:7: the data has 6 columns"),
        ({"train": slice(0, 35)}, "--train-rows 0:35: 35 rows to learn from; limit: at least 36"),
        ({"test": slice(60, 71)}, "--test-rows 60:71: no origin; limit: 12 rows there and the 24 before"),
        ({"horizon": 13}, "--horizon 13: limit: 1 to 12 steps"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_trained(tmp_path, changes, message):
    trainer = Trains()
    with pytest.raises(BadInput, match=message):
        evaluate_forecasts(question(tmp_path, **changes), {"network": trainer}, 1)
    assert not trainer.shown
