"""Forecasters beside each other on the same origins: trained, asked, scored over seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..pipeline.frames import Float32
from ..pipeline.noise_floor import OCCUPIED_ABOVE_FLOOR_DB
from .forecast_answers import Answers, answer
from .forecast_intervals import IntervalFigures, RunningIntervals
from .forecast_models import BASELINES
from .forecast_problem import Trainer, TrainingWatch
from .forecast_question import ForecastQuestion
from .forecast_scores import ForecastScores, known
from .forecast_work import ForecastWork
from .idle_figures import IdleFigures, IdleTruth, NaiveIdle

REFERENCE = "repeat-last"


@dataclass(frozen=True, slots=True)
class EvaluationWatch:
    """Whom a long evaluation tells: of each training that begins, of its epochs, and of its end."""

    on_model: Callable[[str], None] = lambda _what: None
    on_epoch: Callable[[int, int], None] = lambda _done, _of: None
    on_answers: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, eq=False)
class ModelResult:
    """What one model came to on one set of columns, by seed: one for models that know no chance."""

    scores: Sequence[ForecastScores]
    intervals: Sequence[IntervalFigures]
    idle: Sequence[IdleFigures]
    answers: Sequence[Answers]

    @classmethod
    def of(
        cls, answers: Sequence[Answers], truth: Float32, runs: Sequence[RunningIntervals], idle: IdleTruth
    ) -> ModelResult:
        """Scored by the truth [n, h, f]; `runs` are the intervals by seed."""
        return cls(
            [ForecastScores.of(each.forecasts, truth) for each in answers],
            [IntervalFigures.of(each, truth) for each in runs],
            [idle.figures(each) for each in runs],
            answers,
        )

    @classmethod
    def pooled(cls, parts: Sequence[ModelResult], truth: Float32) -> ModelResult:
        """Of sets of columns, one after the other as in `truth` [n, h, f]: each value counts alike."""
        seeds = range(len(parts[0].answers))
        answers = [_side_by_side([part.answers[seed] for part in parts]) for seed in seeds]
        return cls(
            [ForecastScores.of(each.forecasts, truth) for each in answers],
            [IntervalFigures.pooled([part.intervals[seed] for part in parts]) for seed in seeds],
            [IdleFigures.pooled([part.idle[seed] for part in parts]) for seed in seeds],
            answers,
        )

    @property
    def mean(self) -> ForecastScores:
        """Of the seeds' scores."""
        return ForecastScores.mean(self.scores)

    def record(self, reference: ForecastScores | None) -> dict[str, Any]:
        """The figures by name; `skill` is the share of repeat-last's RMSE that is gone."""
        mean = self.mean
        rmses = [each.rmse for each in self.scores]
        mapes = [each.mape for each in self.scores]
        training = float(np.mean([each.training_seconds for each in self.answers]))
        asking = float(np.mean([each.asking_seconds for each in self.answers]))
        return (
            mean.record()
            | IntervalFigures.mean(self.intervals).record()
            | IdleFigures.mean(self.idle).record()
            | {
                "rmse_std": known(np.std(rmses, ddof=1).item()) if len(rmses) > 1 else None,
                "mape_std": known(np.std(mapes, ddof=1).item()) if len(mapes) > 1 else None,
                "rmse_by_seed": [known(each) for each in rmses],
                "mape_by_seed": [known(each) for each in mapes],
                "skill": known(1 - mean.rmse / reference.rmse) if reference and reference.rmse else None,
                "training_seconds": training,
                "forecast_seconds": asking / max(1, len(self.answers[0].forecasts)),
            }
        )


@dataclass(frozen=True, slots=True, eq=False)
class ForecastEvaluation:
    """Results by set of columns, in the order asked, and by model."""

    question: ForecastQuestion
    seeds: int
    results: Sequence[Mapping[str, ModelResult]]
    idle: Sequence[NaiveIdle]
    idle_margin_db: float

    def together(self) -> dict[str, ModelResult]:
        """All sets of columns as one, side by side: each value counts alike, whatever set it is of."""
        if len(self.results) == 1:
            return dict(self.results[0])
        truth = np.concatenate([self.question.truth(columns) for columns in self.question.columns], axis=2)
        return {
            name: ModelResult.pooled([results[name] for results in self.results], truth)
            for name in self.results[0]
        }

    def predictions(self) -> dict[str, Float32]:
        """By model, of the first seed: float32 [n, horizon, f], the sets of columns side by side."""
        return {name: result.answers[0].forecasts for name, result in self.together().items()}

    def record(self) -> dict[str, Any]:
        """All of it as JSON can say it."""
        rows, question = self.question.rows, self.question
        frequencies = rows.table.frequencies_hz
        return {
            "models": _records(self.together()),
            "idle": NaiveIdle.pooled(self.idle).record(),
            "column_sets": [
                {
                    "columns": [columns.start, columns.stop],
                    "frequencies_hz": frequencies[columns].tolist(),
                    "models": _records(results),
                    "idle": idle.record(),
                }
                for columns, results, idle in zip(question.columns, self.results, self.idle, strict=True)
            ],
            "data": {
                "node": rows.table.node,
                "band": rows.table.band,
                "unit": rows.table.unit,
                "step_seconds": rows.table.step_s,
                "rows": rows.count,
                "rows_missing": rows.count - len(rows.number),
                "columns": frequencies.size,
                "breaks": len(rows.table.breaks),
                "train_rows": [question.train.start, question.train.stop],
                "test_rows": [question.test.start, question.test.stop],
                "origins": len(question.origins),
                "origins_left_out": question.left_out,
            },
            "settings": {
                "steps": 24,
                "horizon": question.horizon,
                "seeds": self.seeds,
                "idle_margin_db": self.idle_margin_db,
            },
        }


def trainings(question: ForecastQuestion, models: Mapping[str, Trainer], seeds: int) -> int:
    """How many there will be."""
    return len(question.columns) * sum(1 if name in BASELINES else seeds for name in models)


def evaluate_forecasts(
    question: ForecastQuestion,
    models: Mapping[str, Trainer],
    seeds: int,
    work: ForecastWork | None = None,
    watch: EvaluationWatch | None = None,
    clock: Callable[[], float] = time.perf_counter,
    idle_margin_db: float = OCCUPIED_ABOVE_FLOOR_DB,
) -> ForecastEvaluation:
    """Train every model on every set of columns with the seeds 0, 1, ...; ask and score all alike.

    A channel is idle below the noise floor plus `idle_margin_db`. With a `work` folder what was finished
    there before is not done again. Raises BadInput where the question cannot be asked, or a model has too
    little to learn from.
    """
    question.check()
    watch = watch or EvaluationWatch()
    results: list[dict[str, ModelResult]] = []
    naive: list[NaiveIdle] = []
    for columns in question.columns:
        truth, origins = question.truth(columns), question.origins
        idle = IdleTruth.of(question, columns, idle_margin_db)
        runs: list[RunningIntervals] = []
        by_model: dict[str, ModelResult] = {}
        for name, trainer in models.items():
            answers: list[Answers] = []
            for seed in range(1 if name in BASELINES else seeds):
                watch.on_model(_called(name, seed, columns, question, seeds))
                answers.append(_answered(question, columns, name, trainer, seed, work, watch, clock))
                watch.on_answers()
            runs = [RunningIntervals.of(each.forecasts, truth, origins, idle.below_db) for each in answers]
            by_model[name] = ModelResult.of(answers, truth, runs, idle)
        results.append(by_model)
        naive.append(idle.naive(runs[0]))
    return ForecastEvaluation(question, seeds, results, naive, idle_margin_db)


def _answered(
    question: ForecastQuestion,
    columns: slice,
    name: str,
    trainer: Trainer,
    seed: int,
    work: ForecastWork | None,
    watch: EvaluationWatch,
    clock: Callable[[], float],
) -> Answers:
    if work is None:
        return answer(question, columns, trainer, seed, TrainingWatch(None, watch.on_epoch), clock)
    place = work.place(question, columns, name, trainer, seed)
    found = place.load()
    if found is not None:
        return found
    before, begun = place.seconds_before(), clock()

    def on_epoch(done: int, of: int) -> None:
        place.keep_seconds(before + clock() - begun)
        watch.on_epoch(done, of)

    made = answer(question, columns, trainer, seed, TrainingWatch(place.checkpoint, on_epoch), clock)
    made = Answers(made.forecasts, before + made.training_seconds, made.asking_seconds)
    place.save(made)
    return made


def _records(results: Mapping[str, ModelResult]) -> dict[str, dict[str, Any]]:
    reference = results[REFERENCE].mean if REFERENCE in results else None
    return {name: result.record(reference) for name, result in results.items()}


def _side_by_side(sets: Sequence[Answers]) -> Answers:
    """Of one seed: the columns of all sets, and the seconds that they took."""
    return Answers(
        np.concatenate([each.forecasts for each in sets], axis=2),
        sum(each.training_seconds for each in sets),
        sum(each.asking_seconds for each in sets),
    )


def _called(name: str, seed: int, columns: slice, question: ForecastQuestion, seeds: int) -> str:
    """What a progress bar calls a training."""
    parts = [name]
    if len(question.columns) > 1:
        parts.append(f"{columns.start}:{columns.stop}")
    if seeds > 1 and name not in BASELINES:
        parts.append(f"seed {seed}")
    return ", ".join(parts)
