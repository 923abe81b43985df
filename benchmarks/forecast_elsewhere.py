"""The default forecaster beside the baselines elsewhere: other rows, columns, steps, recordings.

    OMP_NUM_THREADS=1 python benchmarks/forecast_elsewhere.py [--data ../shared/data] [--part chosen|unseen]

`chosen`: 67 problems outside the test rows of docs/forecast.md, on which it was chosen how the default mixes
on by recent errors. `unseen`: 34 problems on those test rows, of other columns and steps, looked at when all
that stood. Each learns from the rows A:B and forecasts those of B:C. Prints, of every problem, the best
baseline's RMSE in dB, and how far above it the fitted mix alone (`steady`) and the default are.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from bandwatch.models.forecast_models import BASELINES, TRAINERS
from bandwatch.models.forecast_past import targets, training_rows
from bandwatch.models.forecast_problem import FittedForecaster, ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.step_table import StepTable, gather_steps
from bandwatch.pipeline.replay import open_recording

DEFAULT_DATA = os.environ.get("BANDWATCH_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
MADRID, NIST = "electrosense-madrid/psd_db.csv", "nist-lte-uplink/power_dbm_int8.npy"
GAURI, GREENLAND = "callisto/GAURI.npz", "callisto/GREENLAND.npz"
EMBERS = tuple(f"embers-orbcomm/{name}_2019-10-01-14-30.npz" for name in ("S06XX", "rf0XX"))


class Problem(NamedTuple):
    path: str
    step_s: float
    first: int
    learned: int
    end: int
    columns: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        folder, _, file = self.path.partition("/")
        return (
            folder if self.path in (MADRID, NIST) else f"{folder} {file.partition('_')[0].partition('.')[0]}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--part", choices=("chosen", "unseen"), default="unseen")
    options = parser.parse_args()
    print("| recording | step | rows | columns | best baseline | RMSE | steady | default |")
    print("|---" * 8 + "|")
    shares: dict[str, list[tuple[float, float]]] = {}
    for problem in chosen() if options.part == "chosen" else unseen():
        best, rmse_db, steady, default = judged(problem, options.data)
        columns = "all" if problem.columns is None else "{}:{}".format(*problem.columns)
        print(
            f"| {problem.name} | {problem.step_s:g} s "
            f"| {problem.first}:{problem.learned}:{problem.end} | {columns} | {best} | {rmse_db:.3f} "
            f"| {steady - 1:+.1%} | {default - 1:+.1%} |",
            flush=True,
        )
        shares.setdefault(problem.name, []).append((steady, default))
    print("\n| recording | problems | steady | worst | above 1 % | default | worst | above 1 % |")
    print("|---" * 8 + "|")
    shares["all"] = list(itertools.chain(*shares.values()))
    for name, pairs in shares.items():
        cells = (told(np.array(part)) for part in zip(*pairs, strict=True))
        print(f"| {name} | {len(pairs)} | {' | '.join(cells)} |")


def told(shares: NDArray[np.float64]) -> str:
    mean = np.exp(np.log(shares).mean())
    return f"{mean - 1:+.1%} | {shares.max() - 1:+.1%} | {np.count_nonzero(shares > 1.01)}"


def chosen() -> Iterator[Problem]:
    """No test row of the seven sets of docs/forecast.md."""
    blocks = ((0, 15), (15, 30), (50, 65), (100, 115), (110, 125), (136, 151), (30, 45), (85, 100))
    for rows in ((0, 800, 1100), (400, 1300, 1600), (0, 1100, 1400), (0, 500, 700)):
        for block in blocks:
            yield Problem(MADRID, 900, *rows, block)
    yield Problem(MADRID, 900, 0, 1200, 1600)
    yield Problem(MADRID, 1800, 0, 500, 800, (50, 65))
    yield Problem(MADRID, 1800, 0, 500, 800, (110, 125))
    yield Problem(MADRID, 3600, 0, 250, 400, (50, 65))
    yield Problem(NIST, 1, 0, 1700, 2929)
    yield Problem(NIST, 1, 0, 1000, 1700)
    yield Problem(NIST, 1, 1500, 2300, 2929, (10, 25))
    yield Problem(NIST, 2, 0, 900, 1464)
    yield Problem(NIST, 5, 0, 380, 585)
    for path, seconds in ((GAURI, 3240), (GREENLAND, 3780)):
        for step_s in (1, 2, 5, 10):
            yield Problem(path, step_s, 0, int(seconds * 0.65 / step_s), seconds // step_s)
        yield Problem(path, 5, 0, int(seconds * 0.13), seconds // 5, (20, 60))
        yield Problem(path, 5, 0, int(seconds * 0.09), int(seconds * 0.16))
    for path in EMBERS:
        for step_s in (0.5, 1, 2, 5):
            yield Problem(path, step_s, 0, int(1056 / step_s), int(1760 / step_s))
        yield Problem(path, 1, 0, 800, 1067)
        yield Problem(path, 1, 500, 1200, 1700)
        yield Problem(path, 1, 0, 1067, 1700, (30, 60))


def unseen() -> Iterator[Problem]:
    """Test rows of the seven sets, by other columns and steps, or after other training rows."""
    for block in ((0, 15), (15, 30), (45, 60), (50, 65), (100, 115), (110, 125), (115, 130), (136, 151)):
        yield Problem(MADRID, 900, 0, 1600, 2000, block)
        yield Problem(MADRID, 900, 600, 1600, 2000, block)
    yield Problem(MADRID, 900, 0, 1600, 2000)
    for block in ((30, 45), (68, 83), (85, 100), (130, 145)):
        yield Problem(MADRID, 1800, 0, 800, 1000, block)
    yield Problem(MADRID, 3600, 0, 400, 500)
    for step_s in (2, 3, 5):
        yield Problem(NIST, step_s, 0, int(2929 / step_s), int(4882 / step_s))
    yield Problem(NIST, 1, 2000, 3900, 4882)
    for path, seconds in ((GAURI, 5400), (GREENLAND, 6300)):
        for step_s in (1, 2, 10):
            yield Problem(path, step_s, 0, int(0.6 * seconds / step_s), seconds // step_s)
        yield Problem(path, 5, 0, int(0.12 * seconds), seconds // 5, (100, 140))


def judged(problem: Problem, data: Path) -> tuple[str, float, float, float]:
    """The best baseline and its RMSE; the mix's alone and the default's as shares of it."""
    table = steps_of(data / problem.path, float(problem.step_s))
    rows, learned = cut(table, problem.first, problem.end), cut(table, problem.first, problem.learned)
    outputs = slice(*(problem.columns or (0, table.values.shape[1])))
    values, origins = training_rows(rows)
    origins = origins[origins >= problem.learned - problem.first]
    truth = targets(values, origins, outputs).astype(np.float64)

    def rmse_db(fitted: FittedForecaster) -> float:
        return float(np.sqrt(np.square(fitted.forecasts(values, origins) - truth).mean()))

    asked = ForecastProblem(learned, outputs)
    baselines = {name: rmse_db(TRAINERS[name](asked, 0, TrainingWatch())) for name in BASELINES}
    best = min(baselines, key=lambda name: baselines[name])
    default = train_default(asked, 0, TrainingWatch())
    return (
        best,
        baselines[best],
        rmse_db(default.steady) / baselines[best],
        rmse_db(default) / baselines[best],
    )


@cache
def steps_of(path: Path, step_s: float) -> StepTable:
    (table,) = gather_steps([open_recording(path)], step_s=step_s)
    return table


def cut(table: StepTable, first: int, end: int) -> StepTable:
    assert not table.breaks, "these recordings have none"
    return dataclasses.replace(table, values=table.values[first:end], end_ns=table.end_ns[first:end])


if __name__ == "__main__":
    main()
