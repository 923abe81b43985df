"""How often an unchanged band is said to deviate, and how often a level that rises is told.

    python benchmarks/deviations.py --seeds 11 12 13 --days 2

Two days of minutes of the simulated band for each seed, in its eight segments; then the same with the lowest
segment's level raised by 2 dB for 200 steps in every 400. ElectroSense as it is: its own shifts of level are
near rows 520 to 555 and 1310 to 1445. NLinear and repeat-last forecast, with the agent's intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from bandwatch.agent.deviation import Deviation, DeviationWatch
from bandwatch.models.contest import Contest
from bandwatch.models.departure import Departure
from bandwatch.models.forecasters.nlinear import NLinear
from bandwatch.models.step_table import StepTable, gather_steps, simulated_rows
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import DATA

SEGMENTS, RISE_DB, EVERY_STEPS, TOLD_WITHIN = 8, 2.0, 200, 12


def deviations(table: StepTable, segments: Sequence[slice]) -> list[tuple[int, Deviation]]:
    """Those that begin, with the row of the step at which they are told."""
    ends_hz = [(table.frequencies_hz[each][0], table.frequencies_hz[each][-1]) for each in segments]
    watches = [DeviationWatch(table.node, table.band, number, *ends) for number, ends in enumerate(ends_hz)]
    histories, contest = Histories(), Contest(table.node, table.band, [NLinear()])
    found: list[tuple[int, Deviation]] = []
    for row, step in enumerate(table.steps()):
        for departure in contest.push(step):
            if isinstance(departure, Departure):
                told = [each for watch in watches for each in watch.push(departure)]
                found += [(row, each) for each in told if each.ended_ns is None]
        for history in histories.push(step):
            contest.push(history)
    return found


def simulated(seed: int, days: float) -> None:
    steps = round(days * 1440)
    (table,) = gather_steps([simulated_rows(seed, steps, 60.0)])
    width = table.values.shape[1] // SEGMENTS
    segments = [slice(width * number, width * (number + 1)) for number in range(SEGMENTS)]
    false = deviations(table, segments)
    print(f"simulated band, seed {seed}, {days:g} days of {SEGMENTS} segments: {len(false)} deviations")
    changes = list(range(300, steps - 60, EVERY_STEPS))
    raised = table.values.copy()
    for row in changes[::2]:
        raised[row : row + EVERY_STEPS, segments[0]] += np.float32(RISE_DB)
    table = StepTable(
        table.node, table.band, table.unit, table.step_s, table.frequencies_hz, raised, table.end_ns
    )
    found = deviations(table, segments)
    told = [
        next((at - row for at, each in found if each.segment == 0 and 0 <= at - row < TOLD_WITHIN), None)
        for row in changes
    ]
    late = [each + 1 for each in told if each is not None]
    print(
        f"  {RISE_DB:g} dB up or down {len(changes)} times in segment 0: {len(late)} told, "
        f"with step {np.mean(late) if late else np.nan:.1f} on average"
    )


def recorded() -> None:
    (table,) = gather_steps([open_recording(DATA / "electrosense-madrid" / "psd_db.csv")], step_s=900)
    bins = table.values.shape[1]
    found = deviations(table, [slice(0, 128), slice(bins - 128, bins)])
    rows = ", ".join(f"{row} (segment {each.segment}, {each.share:.0%})" for row, each in found)
    print(f"electrosense-madrid, {len(table.values) / 96:.1f} days of 2 segments: {rows}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--days", type=float, default=2.0)
    arguments = parser.parse_args()
    recorded()
    for seed in arguments.seeds:
        simulated(seed, arguments.days)


if __name__ == "__main__":
    main()
