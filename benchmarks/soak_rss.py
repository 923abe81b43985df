"""A live agent for hours, and a replay of simulated hours, with their memory watched."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bandwatch.benchmarks.soak_rig import Rig
from bandwatch.benchmarks.soak_samples import Samples
from bandwatch.benchmarks.soak_truth import BandPlan
from bandwatch.tests.agent.processes import Agent, started

BINS = 1024
LOOK_SECONDS = 0.5
# Steps of 10 s: forecasts, scores and intervals are there before the warm-up is over.
HISTORY = {"history": {"step_seconds": 10}}


def live(folder: Path, hours: float, rows_per_second: float) -> Samples:
    """An agent with its store that hears one band of 1024 bins in real time."""
    plan = BandPlan("band", BINS, 1 / rows_per_second, rows_per_second, bad_row_every=0)
    with Rig(folder, [plan], band_settings=HISTORY) as rig:
        agent = rig.start_agent()
        rig.start_publisher()
        agent.wait_for("rows", lambda: _rows(agent))
        samples = Samples(agent.process.pid, lambda: _rows(agent))
        _watch(agent, samples, hours * 3600)
        print(
            "lost:", {k: v for k, v in agent.metric("bandwatch_frames_lost_total").items() if v} or "nothing"
        )
        rig.stop_agent()
    return samples


def replayed(folder: Path, hours: float) -> Samples:
    """The simulated band's hours as a recording, through the agent as fast as it can."""
    recording = folder / "simulated.npy"
    seconds = str(round(hours * 3600))
    simulate = ["simulate", "--seconds", seconds, "--seed", "1", "--out", str(recording)]
    subprocess.run([sys.executable, "-m", "bandwatch", *simulate], check=True, stdout=subprocess.DEVNULL)
    with started(folder, "replay", str(recording), "--speed", "max", "--serve") as agent:
        samples = Samples(agent.process.pid, lambda: _rows(agent))
        _watch(agent, samples, 24 * 3600)
        print(agent.text().splitlines()[-1])
    return samples


def report(samples: Samples) -> bool:
    """Print the table and the verdict; whether it held."""
    held, words = samples.verdict()
    print(samples.table(every=max(1, len(samples.samples) // 30)))
    print(f"\n{words}: {'met' if held else 'MISSED'}", flush=True)
    return held


def _watch(agent: Agent, samples: Samples, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and agent.process.poll() is None:
        sample = samples.take_if_due()
        if sample is not None and len(samples.samples) % 30 == 0:
            print(f"# {sample}", file=sys.stderr, flush=True)
        time.sleep(LOOK_SECONDS)


def _rows(agent: Agent) -> float:
    return sum(agent.metric("bandwatch_frames_received_total").values())
