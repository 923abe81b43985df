"""The default forecaster on chosen columns and rows, and what says which to choose (selected_default.py)."""

from __future__ import annotations

import dataclasses

import numpy as np

from bandwatch.explain.default_map import default_map
from bandwatch.explain.forecast_selection import Importance, training_map
from bandwatch.models.forecast_past import targets
from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecast_split import ForecastSplit
from bandwatch.models.forecast_training import fit_network
from bandwatch.models.forecasters.default_experts import ExpertFitting, Experts
from bandwatch.models.forecasters.default_inputs import InputReader, Inputs
from bandwatch.models.forecasters.default_mix import MixTrial
from bandwatch.models.forecasters.default_steady import SteadyDefault
from bandwatch.models.one_thread import one_thread
from bandwatch.models.rolling_origin import rolling_folds
from bandwatch.models.step_table import StepTable

PARTS = 48
Float64 = np.ndarray


def by_network(past: StepTable, outputs: slice, seed: int, epochs: int) -> dict[str, Importance]:
    problem = ForecastProblem(past, outputs)
    network = fit_network("cnn-lstm", problem, seed, TrainingWatch(), epochs=epochs).network
    split = ForecastSplit.of(past, outputs, validation_share=0)
    with one_thread():
        return {
            way: Importance.of(training_map(network, split, way, seed), PARTS) for way in ("grad-cam", "shap")
        }


def own_importance(
    fitted: SteadyDefault, values: Float64, origins: Float64, rows: int, seed: int
) -> Importance:
    """Sizes of the default's map, by column and by part of the rows."""
    some = origins[:: max(1, len(origins) // 100)]
    with one_thread():
        maps = np.abs(default_map(fitted, values, some, background=origins, samples=8, seed=seed))
    whole, covered = np.zeros((rows, values.shape[1])), np.zeros(rows)
    for window, origin in zip(maps, some, strict=True):
        whole[origin - len(window) : origin] += window
        covered[origin - len(window) : origin] += 1
    with np.errstate(invalid="ignore"):
        return Importance.of((whole / covered[:, np.newaxis]).astype(np.float32), PARTS)


def read(reader: InputReader, values: Float64, origins: Float64) -> tuple[Inputs, Float64]:
    parts = [reader.read(values, some) for some in np.split(origins, range(64, len(origins), 64))]
    inputs = Inputs(
        *(np.concatenate([getattr(part, each) for part in parts]) for each in ("own", "band", "spread_db"))
    )
    change = targets(values, origins, reader.outputs) - values[origins - 1, np.newaxis, reader.outputs]
    return inputs, np.ascontiguousarray(change.transpose(0, 2, 1))


def fit(
    inputs: Inputs,
    change: Float64,
    origins: Float64,
    reader: InputReader,
    fed: dict[str, Float64],
    columns: int,
    seed: int,
) -> dict[str, tuple[Experts, Float64, Float64]]:
    """As `train_default`, once for each choice of columns that feed `band`: experts, mix, and by how much
    the squared error of the inner trials rises when a column's inputs to `band` are another origin's [F].
    """
    folds = rolling_folds(origins)
    fitting = ExpertFitting(reader, inputs, change, len(folds[0].training), seed)
    trials: dict[str, list[tuple[MixTrial, Experts, slice]]] = {name: [] for name in fed}

    def banded(experts: Experts, name: str) -> Experts:
        """With `band` of these columns; whatever else it looks at is the same."""
        fitting._inputs = of_columns(inputs, fed[name], columns)
        band = fitting._band(experts.linear["own"][0])
        fitting._inputs = inputs
        return dataclasses.replace(experts, band=band)

    for fold in folds:
        fitting.add_until(len(fold.training))
        tried = slice(int(fold.trial[0]), int(fold.trial[-1]) + 1)
        plain = fitting.fitted()
        said = dict(zip(plain.names, plain.changes(inputs.part(tried)), strict=True))
        for name in fed:
            experts = banded(plain, name)
            asked = of_columns(inputs.part(tried), fed[name], columns)
            said["band"] = said["own"] + experts.band.change(asked)
            done = MixTrial(experts.names)
            done.add(list(said.values()), change[tried])
            trials[name].append((done, experts, tried))
    fitting.add_until(len(origins))
    plain = fitting.fitted()
    found = {}
    for name in fed:
        mix = MixTrial.of([done for done, _, _ in trials[name]]).mix()
        rise = np.zeros(columns)
        if len(fed[name]) == columns:
            for _, experts, tried in trials[name]:
                rise += permuted(experts, mix, inputs.part(tried), change[tried], columns, seed)
        found[name] = banded(plain, name), mix, rise
    return found


def of_columns(inputs: Inputs, columns: Float64, count: int) -> Inputs:
    """Only these columns of F in `band`, which has them kind by kind."""
    if len(columns) == count:
        return inputs
    band = inputs.band.reshape(len(inputs.band), -1, count)[:, :, columns]
    return Inputs(inputs.own, np.ascontiguousarray(band.reshape(len(band), -1)), inputs.spread_db)


def permuted(
    experts: Experts, mix: Float64, inputs: Inputs, change: Float64, columns: int, seed: int
) -> Float64:
    mixture = experts.mixed(mix)
    error = (mixture.change(inputs) - change).transpose(0, 2, 1).reshape(len(change), -1)
    band = inputs.band / mixture.band.scale
    other = np.roll(band, 1 + np.random.default_rng(seed).integers(len(band) - 1), axis=0) - band
    maps = mixture.band.basis @ mixture.band.weights
    usual = np.square(change, dtype=np.float64).mean()
    rise = np.empty(columns)
    for column in range(columns):
        moved = error + other[:, column::columns] @ maps[column::columns]
        rise[column] = (np.square(moved).mean() - np.square(error).mean()) / usual
    return rise


def by_part(measured: Float64, origins: Float64, rows: int) -> Float64:
    """Mean over the origins in each of 48 parts, of those that have any; else -inf."""
    part = origins * PARTS // rows
    count = np.bincount(part, minlength=PARTS)
    total = np.bincount(part, weights=measured, minlength=PARTS)
    return np.where(count > 0, total / np.maximum(count, 1), -np.inf)


def without(origins: Float64, parts: Float64, rows: int) -> Float64:
    """Places of the origins none of whose 36 rows is in these parts."""
    gone = np.isin(np.arange(rows + 1) * PARTS // rows, parts)
    before = np.concatenate([[0], np.cumsum(gone)])
    return np.flatnonzero(before[origins + 12] == before[origins - 24])
