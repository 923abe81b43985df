"""What a band's forecasters look at, measured: a network by four measures, the default by map and by loss.

The network and every other forecaster learn from the training rows alone; errors and importance are of rows
that none of them saw. The global map is of the whole recording: it tells what the network looks at there, not
how well it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np

from ..models.forecast_answers import Answers, answer
from ..models.forecast_problem import FittedForecaster, ForecastProblem, Trainer, TrainingWatch
from ..models.forecast_question import ForecastQuestion
from ..models.forecast_rows import ForecastRows
from ..models.forecast_scores import ForecastScores
from ..models.forecasters.default import Default
from ..models.forecasters.fitted_network import FittedNetwork
from ..models.one_thread import one_thread
from ..pipeline.frames import Float32
from ..pipeline.histories import HISTORY_STEPS
from .default_look import DefaultLook
from .forecast_checks import shuffled
from .forecast_hours import HourProfile, hours_of, rmse_by_hour
from .grad_cam import GradCam
from .importance import occlusion_importance, permutation_importance, step_occlusion
from .rank_agreement import rank_correlation
from .selected_forecasters import SelectedForecaster
from .shap import ExpectedGradients, frequency_importance
from .study_windows import AskedRows, mapped_windows, recording_map, scaled_histories, training_histories

CONVOLUTIONAL = ("cnn", "cnn-lstm", "cnn-lstm-attention")
GRAD_CAM, SHAP, PERMUTATION, OCCLUSION = "Grad-CAM", "SHAP", "permutation", "occlusion"
MEASURES = (GRAD_CAM, SHAP, PERMUTATION, OCCLUSION)
DEFAULT = "default"
SHUFFLES = 3


@dataclass(frozen=True, slots=True)
class StudyWatch:
    """Whom a long study tells: of what it begins, of how much is done; and where a model's training is kept
    as it goes on (None: nowhere)."""

    on_step: Callable[[str], None] = lambda _what: None
    on_epoch: Callable[[int, int], None] = lambda _done, _of: None
    checkpoint: Callable[[str], Path | None] = lambda _model: None


@dataclass(frozen=True, slots=True, eq=False)
class ForecastStudy:
    """All that a report shows of one band's forecasts.

    `scores` by model, the explained network `network` and the default among them. `map` [rows, F] is I(t, f),
    NaN where no window covers a row, and `hours` [rows] when each row was heard (UTC), NaN where it is
    missing. `importance` [F] of the network, by measure; `of_default` [F] by permutation, and
    `look_of_default` its own map. `agreement` are
    rank correlations between the measures, `after_shuffling` of a measure with itself once the weights lie in
    another order (median of three). `selected` are those of the models that choose their inputs, with what
    they chose. `steps` [24], oldest first, by model: how far forecasts move when that
    step is hidden. Errors and importance in the band's unit but for Grad-CAM and SHAP, which are scaled.
    """

    question: ForecastQuestion
    columns: slice
    network: str
    windows: int
    mapped: int
    scores: Mapping[str, ForecastScores]
    baselines: Sequence[str]
    map: Float32
    hours: Float32
    importance: Mapping[str, Float32]
    of_default: Float32
    look_of_default: DefaultLook
    agreement: Mapping[tuple[str, str], float]
    after_shuffling: Mapping[str, float]
    steps: Mapping[str, Float32]
    attention: HourProfile
    errors: Mapping[str, Float32]
    selected: Mapping[str, SelectedForecaster] = field(default_factory=dict)

    @property
    def rows(self) -> ForecastRows:
        return self.question.rows

    @property
    def best_baseline(self) -> str:
        return min(self.baselines, key=lambda name: self.scores[name].rmse)


def study_forecasts(
    question: ForecastQuestion,
    trainers: Mapping[str, Trainer],
    baselines: Sequence[str],
    network: str,
    *,
    seed: int = 0,
    windows: int = 128,
    most_maps: int = 8192,
    watch: StudyWatch | None = None,
) -> ForecastStudy:
    """Train all, score all, and explain `network` and the default, which are among `trainers`.

    `windows` origins are drawn evenly from those of the test rows for SHAP, permutation and occlusion;
    the global map is of at most `most_maps`, drawn evenly from the recording.
    """
    watch = watch or StudyWatch()
    (columns,) = question.columns
    fitted, answers = _trained(question, columns, trainers, seed, watch)
    truth = question.truth(columns)
    explained = cast(FittedNetwork, fitted[network])
    asked = AskedRows.of(question, columns, windows, max(each.needs_rows for each in fitted.values()))
    with one_thread():
        watch.on_step(f"{network}: global map")
        mapped = mapped_windows(question.rows, most_maps)
        whole = recording_map(explained, question.rows, mapped, watch.on_epoch)
        before = asked.origins[:, None] + np.arange(-HISTORY_STEPS, 0)
        histories = scaled_histories(explained, asked.values[before])
        background = training_histories(explained, question)
        watch.on_step(f"{network}: SHAP")
        importance = {
            GRAD_CAM: np.nanmean(whole, axis=0),
            SHAP: _shap(explained, background, histories, seed),
        }
        watch.on_step(f"{network}: permutation")
        importance[PERMUTATION] = permutation_importance(asked.asked(explained), seed=seed)
        watch.on_step(f"{network}: occlusion")
        importance[OCCLUSION] = occlusion_importance(asked.asked(explained), explained.mean_db)
        steps = {network: step_occlusion(asked.asked(explained), explained.mean_db)}
        shuffles = _after_shuffling(explained, asked, background, histories, seed, importance, watch)
        watch.on_step("default: permutation")
        default = cast(Default, fitted[DEFAULT]).steady
        own = asked.asked(default)
        of_default = permutation_importance(own, repeats=1, seed=seed)
        watch.on_step("default: global map")
        look = DefaultLook.of(question, default, seed=seed, on_windows=watch.on_epoch)
        fill = question.problem(columns).table.values.mean(axis=0, dtype=np.float64).astype(np.float32)
        steps[DEFAULT] = step_occlusion(own, np.where(np.isfinite(fill), fill, explained.mean_db))
    hours = hours_of(question.rows)
    told = (network, DEFAULT)
    return ForecastStudy(
        question=question,
        columns=columns,
        network=network,
        windows=len(asked.origins),
        mapped=len(mapped),
        scores={name: ForecastScores.of(each.forecasts, truth) for name, each in answers.items()},
        baselines=baselines,
        map=whole,
        hours=hours,
        importance=importance,
        of_default=of_default,
        look_of_default=look,
        agreement=_agreement(importance, of_default),
        after_shuffling=shuffles,
        steps=steps,
        attention=HourProfile.of(_by_row(whole), hours),
        errors={
            name: rmse_by_hour(answers[name].forecasts - truth, question.origins, hours) for name in told
        },
        selected={name: each for name, each in fitted.items() if isinstance(each, SelectedForecaster)},
    )


def _trained(
    question: ForecastQuestion,
    columns: slice,
    trainers: Mapping[str, Trainer],
    seed: int,
    watch: StudyWatch,
) -> tuple[dict[str, FittedForecaster], dict[str, Answers]]:
    fitted: dict[str, FittedForecaster] = {}
    answers: dict[str, Answers] = {}
    for name, trainer in trainers.items():
        watch.on_step(f"{name}: training")

        def keeping(
            problem: ForecastProblem,
            number: int,
            told: TrainingWatch,
            name: str = name,
            made: Trainer = trainer,
        ) -> FittedForecaster:
            fitted[name] = made(problem, number, told)
            return fitted[name]

        told = TrainingWatch(watch.checkpoint(name), watch.on_epoch)
        answers[name] = answer(question, columns, keeping, seed, told)
    return fitted, answers


def _shap(network: FittedNetwork, background: Float32, histories: Float32, seed: int) -> Float32:
    return frequency_importance(
        ExpectedGradients(network.network, background, seed=seed).attribute(histories)
    )


def _after_shuffling(
    network: FittedNetwork,
    asked: AskedRows,
    background: Float32,
    histories: Float32,
    seed: int,
    importance: Mapping[str, Float32],
    watch: StudyWatch,
) -> dict[str, float]:
    """Of the same windows: a measure that ranks alike whatever was learned explains the rows, not the net."""
    learned = {**importance, GRAD_CAM: frequency_importance(GradCam(network.network).attribute(histories))}
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for number in range(SHUFFLES):
        watch.on_step(f"{network.name}: shuffled weights, {number + 1} of {SHUFFLES}")
        forgot = replace(network, network=shuffled(network.network, seed + number))
        again = {
            GRAD_CAM: frequency_importance(GradCam(forgot.network).attribute(histories)),
            SHAP: _shap(forgot, background, histories, seed),
            PERMUTATION: permutation_importance(asked.asked(forgot), repeats=1, seed=seed),
            OCCLUSION: occlusion_importance(asked.asked(forgot), forgot.mean_db),
        }
        for name in MEASURES:
            found[name].append(rank_correlation(learned[name], again[name]))
    return {name: _median(each) for name, each in found.items()}


def _median(values: Sequence[float]) -> float:
    """Of those that are defined: a network may have gone silent when its weights were shuffled."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


def _agreement(importance: Mapping[str, Float32], of_default: Float32) -> dict[tuple[str, str], float]:
    named = [*importance.items(), (f"{DEFAULT}: {PERMUTATION}", of_default)]
    return {(one, other): rank_correlation(first, second) for one, first in named for other, second in named}


def _by_row(whole: Float32) -> Float32:
    """Mean over frequencies; a row is covered with all of them or none."""
    return whole.mean(axis=1, dtype=np.float64).astype(np.float32)
