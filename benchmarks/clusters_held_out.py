"""How good clusters of a bundle are on simulated bands it has not learnt from, by `evaluate clusters`.

    python benchmarks/clusters_held_out.py [--bundle BUNDLE ...]

Recordings of every scene from held-out seeds, and of twelve varied and twelve broad bands whose emitters no
training has met, judged together; each is written into a scratch folder, evaluated and forgotten. Prints a
table a scene: each model's NMI, AMI, NMI of single kinds, its supervised ceilings and its share of them,
nearest neighbours, and NMI with the segment; at the end the medians over the scenes. With several bundles
(trainings of several seeds) each is run in turn, and their medians are printed. About five minutes of
processor a bundle; `--rows 20000` for a first look.

    python benchmarks/clusters_held_out.py --iq --scenes default logatec --rows 6000 --times 3

The same from samples, four recordings of 1 GB a scene: their rows last as long as the reader makes them, so
the truth is of emissions (docs/evaluate.md), and windows are cut every 32 rows, as there are few. `--times`
does it again with recordings of other seeds; the medians are printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bandwatch.agent.cli import main as bandwatch
from bandwatch.models.bundle_training import HELD_OUT_DEFAULT, HELD_OUT_VARIED, HELD_OUT_VARIED_BANDS
from bandwatch.pipeline.frames import NS_PER_S
from bandwatch.pipeline.named_scenes import scene_named

RECORDINGS_OF_SAMPLES = 4
STRIDE_OF_SAMPLES = 32
SCENES = ("default", "logatec", "wide", "varied", "broad")
COLUMNS = (
    *("nmi", "ami", "single.nmi", "ceiling_clustered.nmi", "ceiling_clustered.share"),
    *("ceiling.nmi", "ceiling.share", "knn_accuracy", "nmi_segment"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, nargs="+", default=[None], help="default: the one that ships")
    parser.add_argument("--rows", type=int, default=66_000, help="of a scene")
    parser.add_argument("--scenes", nargs="+", default=SCENES, choices=SCENES)
    parser.add_argument("--iq", action="store_true", help="write samples, and let them become rows again")
    parser.add_argument("--times", type=int, default=1, help="with other seeds each time")
    options = parser.parse_args()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for scene in options.scenes:
        for time in range(options.times):
            with tempfile.TemporaryDirectory() as scratch:
                recordings = simulated(Path(scratch), scene, options.rows, options.iq, time)
                for bundle in options.bundle:
                    for name, figures in evaluated(Path(scratch), recordings, bundle, options.iq).items():
                        found.setdefault(scene, {}).setdefault(name, []).append(figures)
            show(f"{scene}, {time + 1} times {len(recordings)} recordings", found[scene])
    over_scenes: dict[str, list[dict[str, Any]]] = {}
    for models in found.values():
        for name, figures in models.items():
            over_scenes.setdefault(name, []).extend(figures)
    show(f"medians over {', '.join(found)}", over_scenes)


def simulated(scratch: Path, scene: str, rows: int, iq: bool, time: int) -> list[tuple[Path, Path]]:
    """Recordings and what their windows show: one of a scene, or twelve bands of a sixth of the rows each."""
    first, count = HELD_OUT_DEFAULT + 1, RECORDINGS_OF_SAMPLES if iq else 1
    if scene in ("varied", "broad"):
        first, count = HELD_OUT_VARIED, HELD_OUT_VARIED_BANDS
        rows //= 6
    seeds = range(first + time * count, first + (time + 1) * count)
    made: list[tuple[Path, Path]] = []
    for seed in seeds:
        out = scratch / (f"{seed}.cs16" if iq else f"{seed}.npy")
        truth = scratch / f"{seed}.jsonl"
        seconds = rows * scene_named(scene, seed).duration_ns / NS_PER_S
        run(
            *("simulate", "--scene", scene, "--seed", seed, "--seconds", seconds),
            *("--out", out, *(["--iq", "--truth"] if iq else ["--windows"]), truth),
        )
        made.append((out, truth))
    return made


def evaluated(
    scratch: Path, recordings: list[tuple[Path, Path]], bundle: Path | None, iq: bool
) -> dict[str, Any]:
    """The models' figures."""
    out = scratch / "figures.json"
    truths = [argument for _, truth in recordings for argument in ("--truth", truth)]
    judged = [] if bundle is None else ["--bundle", bundle]
    judged += ["--stride", STRIDE_OF_SAMPLES] if iq else []
    run("evaluate", "clusters", "--data", *(each for each, _ in recordings), *truths, "--json", out, *judged)
    return json.loads(out.read_text())["models"]


def run(*arguments: object) -> None:
    try:
        bandwatch([str(argument) for argument in arguments])
    except SystemExit as left:
        if left.code:
            sys.exit(f"{arguments[0]} ended with {left.code}")


def show(title: str, models: dict[str, list[dict[str, Any]]]) -> None:
    print(f"\n{title}\n\n| | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    for name, runs in models.items():
        cells: list[str] = []
        for column in COLUMNS:
            values = [value for value in (of(figures, column) for figures in runs) if value is not None]
            cells.append(f"{statistics.median(values):.3f}" if values else "")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def of(figures: Any, column: str) -> float | None:
    for level in column.split("."):
        figures = figures.get(level) if isinstance(figures, dict) else None
    return figures


if __name__ == "__main__":
    main()
