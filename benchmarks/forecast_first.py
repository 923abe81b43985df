"""The first forecasts on real recordings: RMSE in dB of each candidate, and of what the contest gives out.

    python benchmarks/forecast_first.py [--seed 0] [--epochs 70] [--data FOLDER]

The CNN-LSTM is trained on the first 80 % of a recording's rows; figures are pooled over every origin whose
twelve targets lie wholly in the rest. NLinear and the contest learn as they do live: from each step once
it has been scored, in the test rows too; NLinear starts from what the training rows taught it, the
contest's scores and intervals from nothing, as the CNN-LSTM's errors on its own training rows prove little.
Prints a Markdown table; about two minutes on one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

import numpy as np

from bandwatch.models.contest import Contest
from bandwatch.models.forecast_training import train_cnn_lstm
from bandwatch.models.forecasters.nlinear import NLinear
from bandwatch.models.forecasters.repeat_last import RepeatLast
from bandwatch.models.scoring import Score
from bandwatch.models.step_table import StepTable, gather_steps
from bandwatch.pipeline.frames import Forecast
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.replay import open_recording

RECORDINGS = {"electrosense-madrid/psd_db.csv": 900.0, "nist-lte-uplink/power_dbm_int8.npy": 1.0}
DEFAULT_DATA = os.environ.get("BANDWATCH_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=70)
    options = parser.parse_args()
    print("| recording | test rows | model | RMSE | h=1 | h=12 | given out | 90 % intervals cover |")
    print("|---|---|---|---|---|---|---|---|")
    for name, step_s in RECORDINGS.items():
        (table,) = gather_steps([open_recording(options.data / name)], step_s=step_s)
        split = round(0.8 * len(table.values))
        for line in measure(table, split, options.seed, options.epochs):
            print(f"| {name.partition('/')[0]} | {split}:{len(table.values)} | {line} |", flush=True)


def measure(table: StepTable, split: int, seed: int, epochs: int) -> list[str]:
    """A line of figures for each model, and for the contest."""
    past = dataclasses.replace(table, values=table.values[:split], end_ns=table.end_ns[:split])
    cnn_lstm = train_cnn_lstm(past, seed=seed, epochs=epochs)
    alone = [RepeatLast(), NLinear(), cnn_lstm]
    in_contest = NLinear()
    histories, contest = Histories(), Contest(table.node, table.band, [in_contest, cnn_lstm])
    said: dict[str, list[np.ndarray]] = {forecaster.name: [] for forecaster in alone} | {"contest": []}
    truth: list[np.ndarray] = []
    given: list[str] = []
    covered: list[float] = []
    for row, step in enumerate(table.steps()):
        for forecaster in alone:
            forecaster.observe(step)
        due = histories.push(step)
        if row + 1 < split:
            in_contest.observe(step)
            continue
        outputs = contest.push(step)
        covered += [score.coverage_ratio for score in outputs if isinstance(score, Score)]
        for history in due:
            forecast = next((out for out in contest.push(history) if isinstance(out, Forecast)), None)
            if row + 13 > len(table.values) or forecast is None:
                continue
            truth.append(table.values[row + 1 : row + 13])
            said["contest"].append(forecast.mean)
            given.append(forecast.model)
            for forecaster in alone:
                mean = forecaster.forecast(history)
                assert mean is not None
                said[forecaster.name].append(mean)
    lines = []
    for name, means in said.items():
        error = np.stack(means).astype(np.float64) - np.stack(truth)  # [n, 12, F]
        by_horizon = np.sqrt(np.square(error).mean(axis=(0, 2)))
        rmse = np.sqrt(np.square(error).mean())
        rest = f"{given.count(name) / len(given):.0%} | "
        if name == "contest":
            rest = f"| {np.nanmean(covered):.1%}"
        lines.append(f"{name} | {rmse:.4f} | {by_horizon[0]:.3f} | {by_horizon[-1]:.3f} | {rest}")
    return lines


if __name__ == "__main__":
    main()
