"""How near to the host's clock a receiver's samples are dated, in virtual time.

    .venv/bin/python benchmarks/sample_clock.py [--hours 24]

Eight reads a second, each up to so many ms late. `starts` are those that broke the count (a gap `clock`); the
rest is dates less true UTC, the host's step included: the worst of all, the worst of the second half, and
when it was last off by more than 1 ms. What of a step is more than the limit is not in the worst.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from bandwatch.pipeline.sample_clock import SampleClock

NS_PER_S = 1_000_000_000
START_NS = 1_800_000_000 * NS_PER_S
LIMIT_NS = NS_PER_S // 2
READS_PER_S = 8
SAMPLES = 128

# What, crystal's ppm, lateness in ms, the host's step in s after half the time.
CASES = [
    ("20 ppm", 20, 0, 0.0),
    ("20 ppm, 5 ms", 20, 5, 0.0),
    ("-20 ppm, 40 ms", -20, 40, 0.0),
    ("100 ppm", 100, 0, 0.0),
    ("100 ppm, 5 ms", 100, 5, 0.0),
    ("-100 ppm, 5 ms", -100, 5, 0.0),
    ("450 ppm, 5 ms", 450, 5, 0.0),
    ("600 ppm", 600, 0, 0.0),
    ("20 ppm, step 0.3 s", 20, 0, 0.3),
    ("20 ppm, step -0.3 s", 20, 0, -0.3),
    ("20 ppm, step 10 s", 20, 0, 10.0),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=24)
    hours = parser.parse_args().hours
    print(f"{'':22}starts  worst ms  2nd half ms  last > 1 ms   us/read")
    for name, crystal_ppm, late_ms, step_s in CASES:
        began = time.perf_counter()
        starts, off_ms = drive(round(hours * 3600), crystal_ppm, late_ms, step_s)
        us = (time.perf_counter() - began) * 1e6 / len(off_ms)
        far = np.flatnonzero(off_ms > 1)
        last = f"{far[-1] / READS_PER_S:9.0f} s" if far.size else "      never"
        worst, settled = off_ms.max(), off_ms[len(off_ms) // 2 :].max()
        print(f"{name:22}{starts:6}{worst:10.2f}{settled:13.2f}  {last}{us:10.1f}")


def drive(seconds: int, crystal_ppm: float, late_ms: float, step_s: float) -> tuple[int, np.ndarray]:
    """Starts, and how far each date is from the host's clock, in ms; a clock that was set is left out."""
    reads = seconds * READS_PER_S
    true_ns = START_NS + np.round(
        np.arange(reads + 1) / READS_PER_S * (1 + crystal_ppm * 1e-6) * NS_PER_S
    ).astype(np.int64)
    true_ns[reads // 2 :] += round(step_s * NS_PER_S)
    late_ns = np.random.default_rng(0).integers(0, round(late_ms * 1e6) + 1, reads)
    clock = SampleClock(READS_PER_S * SAMPLES, LIMIT_NS)
    starts, dates = 0, []
    for now_ns in (true_ns[1:] + late_ns).tolist():
        if clock.must_start_again:
            clock.start_again(READS_PER_S * SAMPLES)
            starts += 1
        dates.append(clock.stamp(SAMPLES, now_ns))
    off_ms = np.abs(np.array(dates) - true_ns[:-1]) / 1e6
    return starts, np.where(off_ms > abs(step_s) * 1e3 * 0.99, 0, off_ms) if abs(step_s) > 1 else off_ms


if __name__ == "__main__":
    main()
