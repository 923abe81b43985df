"""How long a contest should look back, and by how much a challenger should lead.

    python benchmarks/forecaster_lead.py

Of each recording's train rows alone: the default is fitted on the first half; on the second half it, NLinear
(which learns as it goes), the mean of 24 and repeat-last forecast, and one of them is given out. Prints the
RMSE in dB of each alone, and for each choice that of what was given out and how often another was.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bandwatch.models import standings
from bandwatch.models.error_record import Proof
from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.forecasters.nlinear import NLinear
from bandwatch.models.step_table import StepTable, gather_steps
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import DATA

RECORDINGS = {
    "electrosense-madrid/psd_db.csv": (900.0, 0.8),
    "nist-lte-uplink/power_dbm_int8.npy": (1.0, 0.6),
    "callisto/GREENLAND.npz": (5.0, 0.6),
    "callisto/GAURI.npz": (5.0, 0.6),
}
NAMES = ("nlinear", "default", "mean-24", "repeat-last")
HORIZON = 12


def squares(table: StepTable, first: int) -> dict[str, NDArray[np.float64]]:
    """Squared errors of each candidate by origin and horizon, [n, 12]; NaN where there are none."""
    values, histories, nlinear = table.values, Histories(), NLinear()
    learned = StepTable(
        table.node,
        table.band,
        table.unit,
        table.step_s,
        table.frequencies_hz,
        values[:first],
        table.end_ns[:first],
    )
    default = train_default(ForecastProblem(learned, slice(0, values.shape[1])), 0, TrainingWatch())
    found = {name: np.full((len(values), HORIZON), np.nan) for name in NAMES}
    for row, step in enumerate(table.steps()):
        nlinear.observe(step)
        for history in histories.push(step):
            if row < first:
                continue
            said = {
                "nlinear": nlinear.forecast(history),
                "default": default.forecasts(values, np.array([row + 1]))[0],
                "mean-24": np.repeat(history.values.mean(axis=0, keepdims=True), HORIZON, axis=0),
                "repeat-last": np.repeat(history.values[-1:], HORIZON, axis=0),
            }
            truth = values[row + 1 : row + 1 + HORIZON]
            for name, mean in said.items():
                assert mean is not None
                found[name][row, : len(truth)] = np.square(mean[: len(truth)] - truth).mean(axis=1)
    return found


def given(errors: dict[str, NDArray[np.float64]], first: int, recent: int, lead: float) -> tuple[float, int]:
    """RMSE of what would have been given out, and how often another was."""
    standings.LEAD = lead
    contest = standings.Standings(NAMES[-1], NAMES[:-1], recent=recent, enough=24)
    pooled, changes = [], 0
    for row in range(first, len(errors["default"])):
        made = [(row - ahead, ahead - 1) for ahead in range(1, HORIZON + 1) if row - ahead >= first]
        if made:
            sums = {name: float(sum(errors[name][at] for at in made)) for name in NAMES}
            contest.prove(row, {name: Proof(sums[name], sums[NAMES[-1]], len(made)) for name in NAMES[:-1]})
        changes += contest.choose(NAMES) is not None
        pooled.append(errors[contest.given or NAMES[-1]][row])
    return float(np.nanmean(pooled)) ** 0.5, changes


def lines() -> Iterator[str]:
    for name, (step_s, train_share) in RECORDINGS.items():
        (whole,) = gather_steps([open_recording(DATA / name)], step_s=step_s)
        rows = int(len(whole.values) * train_share)
        table = StepTable(
            whole.node,
            whole.band,
            whole.unit,
            whole.step_s,
            whole.frequencies_hz,
            whole.values[:rows],
            whole.end_ns[:rows],
        )
        errors = squares(table, rows // 2)
        alone = ", ".join(f"{each} {np.nanmean(errors[each]) ** 0.5:.3f}" for each in NAMES)
        yield f"{name}, rows {rows // 2}:{rows}: {alone}"
        for recent, lead in itertools.product((48, 96, 288), (0.0, 0.02, 0.05, 0.1, 0.2)):
            rmse_db, changes = given(errors, rows // 2, recent, lead)
            yield f"  {recent} steps, lead {lead:.0%}: {rmse_db:.3f}, {changes} changes"


if __name__ == "__main__":
    for line in lines():
        print(line, flush=True)
