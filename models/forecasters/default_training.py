"""Fitting the default forecaster on the rows of one band: seconds, all choices inside those rows."""

from __future__ import annotations

import numpy as np

from ...pipeline.frames import Float32, Int64
from ..forecast_past import targets, thinned, training_rows
from ..forecast_problem import ForecastProblem, TrainingWatch
from ..rolling_origin import rolling_folds
from .default import Default
from .default_experts import ExpertFitting
from .default_inputs import InputReader, Inputs
from .default_mix import MixTrial
from .default_steady import SteadyDefault
from .fitted_nlinear import train_nlinear
from .level_shifts import are_bursts, jump_rows
from .period import find_period

MOST_SAMPLES = 400_000
CHUNK = 64


def train_default(problem: ForecastProblem, seed: int, watch: TrainingWatch) -> Default:
    """Fit the experts on growing runs of the rows, try them on what follows, mix them, fit them on all.

    Of long and wide tables origins are thinned evenly to 400,000 values. `seed` draws the curves. Raises
    BadInput where there are fewer than 32 windows of 36 unbroken, finite rows.
    """
    table, outputs = problem.table, problem.outputs
    values, _ = training_rows(table)
    level = not are_bursts(values, jump_rows(values))
    reader = InputReader(outputs, find_period(values, table.step_s), level)
    values, origins = training_rows(table, reader.needs_rows)
    origins = thinned(origins, MOST_SAMPLES // (outputs.stop - outputs.start))
    inputs = _read(reader, values, origins)
    last = values[origins - 1, np.newaxis, outputs]
    change = np.ascontiguousarray((targets(values, origins, outputs) - last).transpose(0, 2, 1))  # [m, C, 12]
    folds = rolling_folds(origins)
    fitting = ExpertFitting(reader, inputs, change, len(folds[0].training), seed)
    trials: list[MixTrial] = []
    for done, fold in enumerate(folds):
        fitting.add_until(len(fold.training))
        experts = fitting.fitted()
        tried = slice(int(fold.trial[0]), int(fold.trial[-1]) + 1)
        trials.append(MixTrial(experts.names))
        trials[-1].add(list(experts.changes(inputs.part(tried))), change[tried])
        watch.on_epoch(done + 1, len(folds) + 1)
    trial = MixTrial.of(trials)
    mix = trial.mix()
    alone, mixed = trial.shares(mix)
    fitting.add_until(len(origins))
    experts = fitting.fitted()
    watch.on_epoch(len(folds) + 1, len(folds) + 1)
    steady = SteadyDefault(
        frequencies_hz=table.frequencies_hz.astype(np.float64),
        unit=table.unit,
        step_s=table.step_s,
        reader=reader,
        mixture=experts.mixed(mix),
        figures={
            "seed": seed,
            "rows": len(table.values),
            "origins": len(origins),
            "trial_rmse_of_repeat_last": {
                **{name: round(float(share), 4) for name, share in zip(experts.names, alone, strict=True)},
                "mix": round(mixed, 4),
                "mix_unseen": round(_unseen(trials), 4),
            },
            "mean_weight": {
                name: round(float(share), 3)
                for name, share in zip(experts.names, mix.mean(axis=0), strict=True)
            },
        },
    )
    return Default(steady, train_nlinear(problem, seed, TrainingWatch()))


def _read(reader: InputReader, values: Float32, origins: Int64) -> Inputs:
    """All origins' inputs, a chunk at a time."""
    jumps = jump_rows(values)
    starts = range(0, len(origins), CHUNK)
    parts = [reader.read(values, origins[start : start + CHUNK], jumps) for start in starts]
    return Inputs(
        np.concatenate([part.own for part in parts]),
        np.concatenate([part.band for part in parts]),
        np.concatenate([part.spread_db for part in parts]),
    )


def _unseen(trials: list[MixTrial]) -> float:
    """RMSE, as a share of repeat-last's, of mixes that each come from the other trials."""
    squares = []
    for k, trial in enumerate(trials):
        others = trials[:k] + trials[k + 1 :]
        squares.append(trial.shares(MixTrial.of(others).mix())[1] ** 2)
    return float(np.mean(squares) ** 0.5)
