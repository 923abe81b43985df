"""The third paper's six networks at its budget, 70 epochs of 50 batches of 32: seconds, parameters, errors.

    python benchmarks/forecast_networks.py [--data FOLDER] [--networks lstm gru ...] [--seed 0] [--epochs 70]

Each is trained on rows 0:1600 of electrosense-madrid, 151 columns in, 15 out (30:45), one after the other on
one thread; its errors are pooled over every origin whose twelve targets lie in rows 1600:2000. Prints a
Markdown table as it goes: seconds on the clock, seconds of processor (what a machine with nothing else to do
takes), and the same errors of repeating the last row and the mean of 24.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np

from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecast_training import NETWORKS, fit_network
from bandwatch.models.step_table import gather_steps
from bandwatch.pipeline.replay import open_recording

DEFAULT_DATA = os.environ.get("BANDWATCH_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
RECORDING, STEP_S = "electrosense-madrid/psd_db.csv", 900.0
TRAIN_ROWS, OUTPUTS = 1600, slice(30, 45)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(DEFAULT_DATA))
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=70)
    options = parser.parse_args()
    (table,) = gather_steps([open_recording(options.data / RECORDING)], step_s=STEP_S)
    values = table.values
    past = dataclasses.replace(table, values=values[:TRAIN_ROWS], end_ns=table.end_ns[:TRAIN_ROWS])
    problem = ForecastProblem(past, OUTPUTS)
    origins = np.arange(TRAIN_ROWS, len(values) - 11)
    truth = np.stack([values[origin : origin + 12, OUTPUTS] for origin in origins])

    def rmse_db(forecasts: np.ndarray) -> float:
        return float(np.sqrt(np.square(forecasts.astype(np.float64) - truth).mean()))

    print("| model | parameters | seconds | of processor | RMSE, dB |")
    print("|---|---|---|---|---|")
    repeated = values[origins - 1][:, np.newaxis, OUTPUTS]
    mean = np.stack([values[origin - 24 : origin, OUTPUTS].mean(axis=0) for origin in origins])[:, np.newaxis]
    for name, forecasts in (("repeat-last", repeated), ("mean-24", mean)):
        print(f"| {name} | | | | {rmse_db(forecasts):.3f} |")
    total = total_processor = 0.0
    for name in options.networks:
        start, start_processor = time.perf_counter(), time.process_time()
        fitted = fit_network(
            name, problem, options.seed, TrainingWatch(), device="cpu", epochs=options.epochs
        )
        seconds, processor = time.perf_counter() - start, time.process_time() - start_processor
        total, total_processor = total + seconds, total_processor + processor
        parameters = sum(p.numel() for p in fitted.network.parameters() if p.requires_grad)
        error_db = rmse_db(fitted.forecasts(values, origins))
        print(f"| {name} | {parameters} | {seconds:.1f} | {processor:.1f} | {error_db:.3f} |", flush=True)
    print(f"| together | | {total:.1f} | {total_processor:.1f} | |")


if __name__ == "__main__":
    main()
