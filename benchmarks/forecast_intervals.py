"""90 % intervals and idle probabilities on real recordings: ours, today's fixed ones, and what was before.

    python benchmarks/forecast_intervals.py [--data FOLDER] [--rows train|test] [--shift]

Intervals around repeat-last, the mean of 24, the ridge and the default: any forecaster will do. Ours begin
with nothing at the first test row and learn from rows that have come; from the 96th origin on they are
scored, beside

- fixed: the 5 % and 95 % quantiles of the errors on the training rows, per horizon and frequency;
- split: the quantile of the last 128 absolute errors, per horizon and frequency, as the agent had it before.

Idle means below the noise floor (the mean over the training rows of the 0.3 quantile over frequencies) and
a margin. Beside our probability: the share of training rows in which the frequency was idle (climatology),
and the last row (persistence). `--rows train` does the same inside the training rows, cut in half: what
parameters were chosen on. `--shift` says how soon intervals are back after a level shift. Prints Markdown;
a few minutes on one core.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np

from bandwatch.models.conformal import Conformal
from bandwatch.models.forecast_models import TRAINERS
from bandwatch.models.forecast_problem import FittedForecaster, ForecastProblem, TrainingWatch
from bandwatch.models.idle_scores import brier_score, reliability
from bandwatch.models.step_table import StepTable

DEFAULT_DATA = os.environ.get("BANDWATCH_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
HORIZON, HISTORY, SKIPPED, COVERAGE, MARGIN_DB = 12, 24, 96, 0.9, 6.0
COLUMNS = ((30, 45), (68, 83), (85, 100), (130, 145))
Maker = Callable[[np.ndarray, int, np.ndarray], np.ndarray]  # rows, first test row, origins -> [n, 12, F]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--rows", choices=("train", "test"), default="test")
    parser.add_argument("--shift", action="store_true")
    options = parser.parse_args()
    sets = list(recordings(options.data))
    if options.rows == "train":
        sets = [(name, rows[:split], split // 2) for name, rows, split in sets]
    if options.shift:
        print_shifts(sets, options.data)
    else:
        print_intervals(sets)


def recordings(data: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    """Name, rows [n, F] and the first test row of each set."""
    madrid = read_madrid(data)
    for low, high in COLUMNS:
        yield f"electrosense {low}:{high}", madrid[:, low:high], 1600
    nist = np.load(data / "nist-lte-uplink" / "power_dbm_int8.npy").astype(np.float32)
    yield "nist", nist, int(0.6 * len(nist))
    for path in sorted((data / "callisto").glob("*.npz")):
        with np.load(path) as arrays:
            rows = next(arrays[name] for name in arrays.files if arrays[name].ndim == 2).astype(np.float32)
        rows = rows[: len(rows) // 20 * 20].reshape(-1, 20, rows.shape[1]).mean(axis=1)  # 5 s
        yield path.stem.lower(), rows, int(0.6 * len(rows))


def read_madrid(data: Path) -> np.ndarray:
    return np.loadtxt(data / "electrosense-madrid" / "psd_db.csv", delimiter=",", dtype=np.float32)


def repeat_last(rows: np.ndarray, _split: int, origins: np.ndarray) -> np.ndarray:
    return np.repeat(rows[origins - 1][:, np.newaxis], HORIZON, axis=1)


def mean_24(rows: np.ndarray, _split: int, origins: np.ndarray) -> np.ndarray:
    mean = np.stack([rows[origin - HISTORY : origin].mean(axis=0) for origin in origins])
    return np.repeat(mean[:, np.newaxis], HORIZON, axis=1)


@cache
def fitted_of(name: str, taught: bytes, columns: int, step_s: float) -> FittedForecaster:
    """The agent's own, fitted on rows of `columns` columns."""
    values = np.frombuffer(taught, np.float32).reshape(-1, columns)
    ends_ns = (np.arange(1, len(values) + 1) * step_s * 1e9).astype(np.int64)
    hz = np.arange(columns, dtype=np.float64)
    table = StepTable("node", "band", "dB", step_s, hz, values, ends_ns)
    return TRAINERS[name](ForecastProblem(table, slice(0, columns)), 0, TrainingWatch())


def said_by(name: str, rows: np.ndarray, split: int, origins: np.ndarray) -> np.ndarray:
    step_s = 900.0 if rows.shape[1] in (15, 151) else 5.0  # of ElectroSense; others show no day
    fitted = fitted_of(name, np.ascontiguousarray(rows[:split]).tobytes(), rows.shape[1], step_s)
    rows, origins = np.ascontiguousarray(rows), origins.astype(np.int64)
    return np.concatenate([fitted.forecasts(rows, part) for part in np.array_split(origins, 8)])


FORECASTERS: dict[str, Maker] = {
    "repeat-last": repeat_last,
    "mean-24": mean_24,
    "ridge": partial(said_by, "ridge"),
    "default": partial(said_by, "default"),
}


def truth_of(rows: np.ndarray, origins: np.ndarray) -> np.ndarray:
    return np.stack([rows[origins + h] for h in range(HORIZON)], axis=1)


def ours(
    forecasts: np.ndarray, truth: np.ndarray, below_db: float = np.nan
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low, high and probability of idle [n, 12, F]; each from rows before its origin, one origin a row."""
    conformal = Conformal(HORIZON, coverage=COVERAGE)
    spreads, low, high, idle = np.full((4, *forecasts.shape), np.nan, np.float32)
    for number in range(len(forecasts)):
        if number:
            conformal.observe(came_with(truth - forecasts, number - 1), came_with(spreads, number - 1))
        spreads[number] = conformal.spread(forecasts.shape[2])
        low[number], high[number] = conformal.interval(forecasts[number], spreads[number])
        if np.isfinite(below_db):
            idle[number] = conformal.below(forecasts[number], spreads[number], below_db)
    return low, high, idle


def came_with(values: np.ndarray, number: int) -> np.ndarray:
    """What of [n, 12, F] belongs to the row of this origin: [12, F], NaN before the first."""
    found = np.full(values.shape[1:], np.nan, np.float32)
    for ahead in range(min(HORIZON, number + 1)):
        found[ahead] = values[number - ahead, ahead]
    return found


def split_conformal(forecasts: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.abs(truth - forecasts)
    radius = np.full(forecasts.shape, np.nan, np.float32)
    for ahead in range(HORIZON):
        for number in range(20 + ahead, len(sizes)):
            known = np.sort(sizes[max(0, number - ahead - 128) : number - ahead, ahead], axis=0)
            rank = int(np.ceil((len(known) + 1) * COVERAGE - 1e-9))
            if rank <= len(known):
                radius[number, ahead] = known[rank - 1]
    return forecasts - radius, forecasts + radius


def figures(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, float, float]:
    """Coverage, width and interval score (Gneiting and Raftery 2007, equation 43)."""
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    width = high - low
    score = width + 2 / (1 - COVERAGE) * outside
    return float((outside == 0).mean()), float(width.mean()), float(score.mean())


def print_intervals(sets: list[tuple[str, np.ndarray, int]]) -> None:
    print("| set | forecaster | ours: cover | width | score | fixed | | | split | | | score, of fixed |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    idle_lines, said, came, inside, values = [], [], [], {"ours": 0.0, "fixed": 0.0, "split": 0.0}, 0
    for name, rows, split in sets:
        floor_db = float(np.quantile(rows[:split], 0.3, axis=1).mean())
        below_db = floor_db + MARGIN_DB
        taught, origins = np.arange(96, split - HORIZON), np.arange(split, len(rows) - HORIZON + 1)
        truth = truth_of(rows, origins)
        for forecaster, make in FORECASTERS.items():
            forecasts = make(rows, split, origins)
            errors = truth_of(rows, taught) - make(rows, split, taught)
            ends = np.quantile(errors, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0)
            low, high, idle = ours(forecasts, truth, below_db)
            cut = slice(SKIPPED, None)
            found = {
                "ours": figures(truth[cut], low[cut], high[cut]),
                "fixed": figures(truth[cut], forecasts[cut] + ends[0], forecasts[cut] + ends[1]),
                "split": figures(truth[cut], *(end[cut] for end in split_conformal(forecasts, truth))),
            }
            values += truth[cut].size
            for each, (coverage, _, _) in found.items():
                inside[each] += coverage * truth[cut].size
            cells = " | ".join(f"{c:.3f} | {w:.2f} | {s:.3f}" for c, w, s in found.values())
            print(
                f"| {name} | {forecaster} | {cells} | {found['ours'][2] / found['fixed'][2]:.3f} |",
                flush=True,
            )
            if forecaster == "default":
                was = truth[cut] < below_db
                usual = np.broadcast_to((rows[:split] < below_db).mean(axis=0).astype(np.float32), was.shape)
                last = np.broadcast_to((rows[origins - 1] < below_db)[cut, np.newaxis], was.shape)
                scores = [brier_score(each.astype(np.float32), was) for each in (idle[cut], usual, last)]
                idle_lines.append(
                    f"| {name} | {was.mean():.3f} | " + " | ".join(f"{s:.4f}" for s in scores) + " |"
                )
                said.append(idle[cut].ravel())
                came.append(was.ravel())
    pooled = ", ".join(f"{each} {share / values:.3f}" for each, share in inside.items())
    print(f"\ncoverage, all pooled: {pooled}\n")
    print("| set | idle | Brier: ours | climatology | persistence |\n|---|---|---|---|---|")
    print("\n".join(idle_lines))
    found = reliability(np.concatenate(said), np.concatenate(came))
    print("\n| said | came | values |\n|---|---|---|")
    for each in zip(found.said, found.came, found.count, strict=True):
        print("| {:.3f} | {:.3f} | {} |".format(*each))


def print_shifts(sets: list[tuple[str, np.ndarray, int]], data: Path) -> None:
    """Coverage by the rows that came, and of forecasts made after the shift; the change of width."""
    print("| shift | forecaster | 24 before | rows 1-12 | 13-24 | 25-36 | 37-48 | made after, 1-24 | width |")
    print("|---|---|---|---|---|---|---|---|---|")
    cases = [("electrosense 0:151, row 518", read_madrid(data)[:700], 450, 518)]
    for name, rows, split in sets:
        if name in ("electrosense 68:83", "nist", "greenland"):
            for shift_db in (6.0, -20.0):
                shifted = rows[: split + 220].copy()
                shifted[split + 100 :] += shift_db
                cases.append((f"{name}, {shift_db:+g} dB", shifted, split, split + 100))
    for name, rows, split, at in cases:
        first = max(HISTORY, at - 400)
        origins = np.arange(first, len(rows) - HORIZON + 1)
        truth = truth_of(rows, origins)
        for forecaster in ("repeat-last", "ridge", "default"):
            forecasts = FORECASTERS[forecaster](rows, split, origins)
            low, high, _ = ours(forecasts, truth)
            inside = ((low <= truth) & (truth <= high)).mean(axis=2)  # [n, 12]
            by_row = [came_with(inside[:, :, np.newaxis], number).mean() for number in range(len(inside))]
            here = at - first
            width = (high - low).mean(axis=(1, 2))
            parts = [
                np.mean(by_row[here + a : here + b])
                for a, b in ((-24, 0), (0, 12), (12, 24), (24, 36), (36, 48))
            ]
            parts += [inside[here + 1 : here + 25].mean(), width[here + 48] / width[here - 1]]
            print(
                f"| {name} | {forecaster} | " + " | ".join(f"{part:.3f}" for part in parts) + " |", flush=True
            )


if __name__ == "__main__":
    main()
