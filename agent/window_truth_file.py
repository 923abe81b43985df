"""What every window of a simulated recording shows, as a file: labels for whoever judges clusters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..models.window_energy import energy_truth
from ..pipeline.errors import BadInput
from ..pipeline.frames import Window
from ..pipeline.part_file import part_file
from ..pipeline.scene import Scene
from ..pipeline.schedule import Schedule
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS, segment_starts


def write_window_truth(
    path: Path, seed: int, scene: Scene, start_ns: int, rows: int, stride_rows: int = WINDOW_ROWS
) -> int:
    """Write one JSON object a line and window, in the order of the windows; returns how many.

    `segment`, `start_ns`, `end_ns` as a replay has them; `low_hz` and `high_hz`, the outer edges of its bins;
    `kind`, the kind with most energy above the floor of those that show, or `quiet`; `shown`, all that show;
    `energies`, all kinds that have any: energy (floors x pixels) and deflection (`window_energy.py`).

    Raises BadInput where the band has fewer than 128 bins or the folder is missing.
    """
    if scene.bins < WINDOW_BINS:
        raise BadInput(f"{path}: the band has {scene.bins} bins, windows need at least {WINDOW_BINS}")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: the folder {path.parent} does not exist")
    written = 0
    with part_file(path) as part:
        with part.open("w", encoding="utf-8") as file:
            for line in _lines(seed, scene, start_ns, rows, stride_rows):
                file.write(json.dumps(line) + "\n")
                written += 1
        part.replace(path)
    return written


def _lines(seed: int, scene: Scene, start_ns: int, rows: int, stride_rows: int) -> Iterator[dict[str, Any]]:
    coming = Schedule(seed, scene, start_ns).emissions(rows)
    coming.reverse()
    near = []  # emissions that are not over before the window
    unseen = np.zeros((WINDOW_ROWS, WINDOW_BINS), np.float32)
    for first_row in range(0, rows - WINDOW_ROWS + 1, stride_rows):
        begin_ns = start_ns + first_row * scene.duration_ns
        end_ns = begin_ns + WINDOW_ROWS * scene.duration_ns
        near = [each for each in near if each.end_ns > begin_ns]
        while coming and coming[-1].start_ns < end_ns:
            near.append(coming.pop())
        for segment, first_bin in enumerate(segment_starts(scene.bins)):
            low_hz = scene.raster.first_hz + (int(first_bin) - 0.5) * scene.bin_hz
            high_hz = low_hz + WINDOW_BINS * scene.bin_hz
            window = Window("", "", segment, begin_ns, end_ns, (low_hz + high_hz) / 2, scene.bin_hz, unseen)
            truth = energy_truth(window, near, scene.averaged_spectra)
            yield {
                "segment": segment,
                "start_ns": begin_ns,
                "end_ns": end_ns,
                "low_hz": low_hz,
                "high_hz": high_hz,
                "kind": truth.main_kind,
                "shown": [kind for kind in truth.by_kind if kind in truth.kinds],
                "energies": {
                    kind: {"energy": round(found.energy, 3), "deflection": round(found.deflection, 3)}
                    for kind, found in truth.by_kind.items()
                },
            }
