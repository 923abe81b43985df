"""What each expert of the default forecaster is worth, by rolling origin inside the training rows alone.

    python benchmarks/default_forecaster.py [--data ../shared/data]

Prints, as shares of repeat-last's RMSE over the four trials, every expert alone, the mix that is given out,
and mixes whose weights come from the three other trials; then the period found and the seconds of processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.step_table import gather_steps
from bandwatch.pipeline.replay import open_recording

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MADRID, NIST = "electrosense-madrid/psd_db.csv", "nist-lte-uplink/power_dbm_int8.npy"
SETS = [
    (MADRID, 900.0, 1600, (30, 45)),
    (MADRID, 900.0, 1600, (68, 83)),
    (MADRID, 900.0, 1600, (85, 100)),
    (MADRID, 900.0, 1600, (130, 145)),
    (MADRID, 900.0, 1000, (0, 15)),
    (MADRID, 900.0, 1000, (50, 65)),
    (MADRID, 900.0, 1000, (100, 115)),
    (NIST, 1.0, 2929, None),
    ("callisto/GAURI.npz", 5.0, 648, None),
    ("callisto/GREENLAND.npz", 5.0, 756, None),
    ("embers-orbcomm/S06XX_2019-10-01-14-30.npz", 1.0, 1067, None),
    ("embers-orbcomm/rf0XX_2019-10-01-14-30.npz", 1.0, 1067, None),
]
NAMES = ("mean-24", "seasonal", "nlinear", "own", "even", "columns", "band", "curves", "mix", "mix_unseen")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    options = parser.parse_args()
    print(f"| training rows | {' | '.join(NAMES)} | period | s |")
    print("|---" * (len(NAMES) + 3) + "|")
    for name, step_s, rows, columns in SETS:
        (table,) = gather_steps([open_recording(options.data / name)], step_s=step_s)
        past = dataclasses.replace(table, values=table.values[:rows], end_ns=table.end_ns[:rows])
        outputs = slice(*(columns or (0, table.values.shape[1])))
        began = time.process_time()
        fitted = train_default(ForecastProblem(past, outputs), 0, TrainingWatch()).steady
        seconds = time.process_time() - began
        shares = fitted.figures["trial_rmse_of_repeat_last"]
        cells = " | ".join(f"{shares[each]:.3f}" if each in shares else "" for each in NAMES)
        where = f"{name.partition('/')[0]} 0:{rows}, {outputs.start}:{outputs.stop}"
        print(f"| {where} | {cells} | {fitted.reader.period or ''} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
