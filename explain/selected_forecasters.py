"""GC-CNN-LSTM and SHAP-CNN-LSTM: a CNN-LSTM that is trained again on what its first training looked at.

Xu et al., "Explainable Multi-Frequency Long-Term Spectrum Prediction Based on GC-CNN-LSTM" (2025). How many
frequencies and how many parts of the rows, it reads off its test rows; here that is chosen inside the
training rows, by rolling origin.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from ..models.checkpoint import Arrays, give_tensors, tensors_of
from ..models.engine import choose_device
from ..models.forecast_problem import ForecastProblem, TrainingWatch
from ..models.forecast_scores import ForecastScores
from ..models.forecast_split import ForecastSplit
from ..models.forecast_training import training_fingerprint
from ..models.forecasters.cnn_lstm_network import CnnLstmNetwork
from ..models.forecasters.fitted_network import FittedNetwork
from ..models.forecasters.forecaster import HORIZON_STEPS
from ..models.forecasters.network_config import NetworkConfig
from ..models.network_training import EPOCHS, ITERATIONS, Budget, train_network
from ..models.step_table import StepTable
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .forecast_selection import Importance, Selection, training_map
from .selecting_network import SelectingNetwork
from .training_stages import Stage, TrainingStages

SEGMENTS = 48
CUTS = (0.6, 0.8, 1.0)
"""Of the training rows: what lies before one is learned from, and tried on what lies up to the next."""


@dataclass(frozen=True, slots=True)
class SelectionBudget:
    """Which numbers may be chosen (with one of each nothing is), and how long each training is.

    `retained` beyond the columns of the data are left out; the paper's are 15 to 120 and 0 to 10.
    """

    retained: tuple[int, ...] = (15, 30, 45, 60, 75, 90, 105, 120)
    dropped: tuple[int, ...] = (0, 2, 4, 6, 8, 10)
    trial_epochs: int = 10
    epochs: int = EPOCHS
    iterations: int = ITERATIONS
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.retained or not self.dropped or min(self.retained) < 1 or min(self.dropped) < 0:
            raise BadInput(
                f"selection of {list(self.retained)} frequencies, {list(self.dropped)} parts of the rows "
                "dropped, needs a number of each, at least 1 and 0"
            )

    def retainable(self, columns: int) -> tuple[int, ...]:
        """Of so many columns; all of them where that is within the paper's range."""
        few = tuple(number for number in self.retained if number < columns)
        return few if few and columns > max(self.retained) else (*few, columns)


@dataclass(frozen=True, slots=True, eq=False)
class SelectedForecaster:
    """A `FittedForecaster`, and what it was trained on: `retained` and `dropped` are the numbers chosen.

    Fewer parts may have been dropped than was chosen (`Importance.select`). `tried` is the RMSE of each
    pair that was, by rolling origin, in the band's unit.
    """

    fitted: FittedNetwork
    importance: Importance
    selection: Selection
    retained: int
    dropped: int
    tried: Mapping[tuple[int, int], float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.fitted.name

    @property
    def needs_rows(self) -> int:
        return self.fitted.needs_rows

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: values [n, F], origins [m] -> float32 [m, 12, outputs]; see `FittedForecaster`."""
        return self.fitted.forecasts(values, origins)


def fit_selected(
    name: str,
    attribution: str,
    problem: ForecastProblem,
    seed: int,
    watch: TrainingWatch,
    budget: SelectionBudget | None = None,
    importance: Importance | None = None,
) -> SelectedForecaster:
    """Train, look at what the network looks at (one of `ATTRIBUTIONS`), train again on that alone.

    Both numbers are chosen first: on each fold of the training rows a CNN-LSTM of `trial_epochs` and its
    map, made of the rows before, choose what each candidate is trained on; the lowest mean RMSE wins,
    first among numbers of frequencies with nothing dropped, then among numbers of parts. As in the paper,
    the columns that are forecast are inputs only if they are important themselves. `importance`, if given,
    is that of a forecaster made before of the same problem, seed and attribution: it is not made again.
    What a seed gives resumes and repeats as `train_network` says.

    Raises BadInput where there is too little to train on, no such device, or another training's checkpoint.
    """
    budget = budget or SelectionBudget()
    columns = problem.table.values.shape[1]
    retained, dropped = budget.retainable(columns), tuple(sorted(set(budget.dropped)))
    chosen = len(retained) * len(dropped) > 1
    trials = (len(CUTS) - 1) * (len(retained) + len(dropped)) if chosen else 0
    outputs = range(columns)[problem.outputs]
    settings = [name, attribution, seed, dataclasses.astuple(budget), [outputs.start, outputs.stop]]
    if importance is not None:
        settings += [importance.frequencies.tolist(), importance.segments.tolist()]
    stages = TrainingStages(
        watch,
        training_fingerprint(problem.table, settings),
        trials * budget.trial_epochs + (2 if importance is None else 1) * budget.epochs,
    )
    trainer = _Trainer(attribution, seed, budget, choose_device(budget.device), stages)
    tried: dict[tuple[int, int], float] = {}
    best = retained[0], dropped[0]
    if chosen:
        folds = [
            _Fold.of(problem, start, stop, number)
            for number, (start, stop) in enumerate(itertools.pairwise(CUTS))
        ]

        def rmse(pair: tuple[int, int]) -> float:
            if pair not in tried:
                tried[pair] = float(np.mean([trainer.trial(fold, *pair) for fold in folds]))
            return tried[pair]

        best = min(((number, dropped[0]) for number in retained), key=rmse)
        best = min(((best[0], number) for number in dropped), key=rmse)
    split = ForecastSplit.of(problem.table, problem.outputs, validation_share=0)
    if importance is None:
        importance = trainer.importance("first", split, SEGMENTS, budget.epochs)
    selection = importance.select(split, *best)
    fitted = trainer.retrained("last", name, problem, selection, budget.epochs)
    return SelectedForecaster(fitted, importance, selection, *best, tried)


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """Some first rows as a problem of their own, and where it is tried on those behind.

    `values` [n, F] end with the fold's last row; `share` is its training's of all training rows.
    """

    name: str
    problem: ForecastProblem
    split: ForecastSplit
    values: Float32
    origins: Int64
    share: float

    @classmethod
    def of(cls, problem: ForecastProblem, start: float, stop: float, number: int) -> _Fold:
        rows = len(problem.table.values)
        cut, end = round(start * rows), round(stop * rows)
        past = ForecastProblem(_before(problem.table, cut), problem.outputs)
        split = ForecastSplit.of(past.table, past.outputs, validation_share=0)
        both = ForecastSplit.of(
            _before(problem.table, end), problem.outputs, validation_share=(end - cut) / end
        )
        origins = both.validation + HISTORY_STEPS
        return cls(f"fold{number}", past, split, problem.table.values[:end], origins, start)

    def rmse(self, fitted: FittedNetwork) -> float:
        """In the band's unit, over the same origins for every candidate."""
        outputs = self.problem.outputs
        truth = self.values[:, outputs][self.origins[:, np.newaxis] + np.arange(HORIZON_STEPS)]
        return ForecastScores.of(fitted.forecasts(self.values, self.origins), truth).rmse


@dataclass(frozen=True, slots=True, eq=False)
class _Trainer:
    attribution: str
    seed: int
    budget: SelectionBudget
    device: str
    stages: TrainingStages

    def importance(self, stage: str, split: ForecastSplit, segments: int, epochs: int) -> Importance:
        """Of a CNN-LSTM of all columns and rows."""
        columns, outputs = split.scaled.shape[1], len(split.mean_db[split.outputs])

        def make(watch: Stage) -> Arrays:
            network = self._train(
                watch, lambda: CnnLstmNetwork(NetworkConfig(columns, outputs)), split, epochs
            )
            found = Importance.of(training_map(network, split, self.attribution, self.seed), segments)
            return {"frequencies": found.frequencies, "segments": found.segments}

        return Importance(**self.stages.once(stage, epochs, make))

    def retrained(
        self, stage: str, name: str, problem: ForecastProblem, selection: Selection, epochs: int
    ) -> FittedNetwork:
        """A CNN-LSTM of the selection alone."""
        split = ForecastSplit.of(selection.kept(problem.table), problem.outputs, validation_share=0)
        outputs = len(split.mean_db[split.outputs])

        def build() -> nn.Module:
            return SelectingNetwork(selection.columns, outputs)

        made = self.stages.once(
            stage, epochs, lambda watch: tensors_of(self._train(watch, build, split, epochs))
        )
        network = build()
        give_tensors(network, made)
        return FittedNetwork(name, network.eval(), split.mean_db, split.scale_db, problem.outputs)

    def trial(self, fold: _Fold, retained: int, dropped: int) -> float:
        """RMSE of a number of frequencies and of parts on a fold, of which it has its share."""
        epochs, segments = self.budget.trial_epochs, max(1, round(SEGMENTS * fold.share))
        importance = self.importance(f"{fold.name}-first", fold.split, segments, epochs)
        selection = importance.select(fold.split, retained, round(dropped * fold.share))
        stage = f"{fold.name}-{retained}-{dropped}"
        return fold.rmse(self.retrained(stage, stage, fold.problem, selection, epochs))

    def _train(
        self, stage: Stage, build: Callable[[], nn.Module], split: ForecastSplit, epochs: int
    ) -> nn.Module:
        network, _ = train_network(
            build,
            split,
            Budget(self.seed, epochs, self.budget.iterations, self.device),
            fingerprint=stage.fingerprint,
            checkpoint=stage.checkpoint,
            progress=stage.progress,
        )
        return network


def _before(table: StepTable, rows: int) -> StepTable:
    """Its first rows."""
    return dataclasses.replace(
        table,
        values=table.values[:rows],
        end_ns=table.end_ns[:rows],
        breaks=tuple(each for each in table.breaks if each < rows),
        changes=tuple(each for each in table.changes if each < rows),
    )
