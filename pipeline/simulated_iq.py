"""A recording of the simulated band's samples: SigMF, or raw with a sidecar; and its truth."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import yaml
from numpy.typing import NDArray

from .errors import BadInput
from .frames import NS_PER_S
from .iq_simulator import BLOCK_SAMPLES, IqSimulator
from .part_file import part_file
from .patches import Emission
from .readers.iq_reader import Annotation, Capture, IqFacts, Samples
from .readers.sigmf_meta import DATA_SUFFIX, META_SUFFIX, pair_of
from .scene import Scene
from .schedule import Schedule
from .sigmf_writer import write_sigmf
from .simulated_recording import iso_utc, truth_line

RAW_SUFFIXES = (".cf32", ".cs16")
SUFFIXES = (META_SUFFIX, DATA_SUFFIX, *RAW_SUFFIXES)
INT16_FULL = 32768.0


@dataclass(frozen=True, slots=True)
class SimulatedBand:
    """Which band is recorded, from when on; `rows` rows' worth of samples."""

    seed: int
    scene: Scene
    start_ns: int
    rows: int
    node: str = "simulated"
    band: str = "srd-868"


class SimulatedIq:
    """IqReader of a simulated band, for `write_sigmf`; its annotations are the truth, cut to the band."""

    def __init__(self, band: SimulatedBand) -> None:
        self._band = band
        simulator = IqSimulator(band.seed, scene=band.scene, start_ns=band.start_ns)
        rate_hz = simulator.sample_rate_hz
        self.samples = round(band.rows * band.scene.raster.row_seconds * rate_hz)
        self.emissions = Schedule(band.seed, band.scene, band.start_ns).emissions(band.rows)
        low_hz = band.scene.raster.first_hz - band.scene.bin_hz / 2
        edges = low_hz, low_hz + rate_hz
        notes = (self._annotation(each, rate_hz, edges) for each in self.emissions)
        self.facts = IqFacts(
            format="simulated",
            sample_type="cf32",
            sample_rate_hz=rate_hz,
            channels=1,
            captures=(Capture(0, self.samples, band.start_ns, simulator.center_hz),),
            annotations=tuple(each for each in notes if each is not None),
        )

    def blocks(self, channel: int, first: int, samples: int, block_samples: int) -> Iterator[Samples]:  # noqa: ARG002
        """Samples [first, first + samples), from the band's start anew."""
        band = self._band
        simulator = IqSimulator(band.seed, scene=band.scene, start_ns=band.start_ns)
        size = min(block_samples, BLOCK_SAMPLES)
        for skipped in range(0, first, size):
            simulator.block(min(size, first - skipped))
        for done in range(0, samples, size):
            yield simulator.block(min(size, samples - done))

    def _annotation(
        self, emission: Emission, rate_hz: float, edges: tuple[float, float]
    ) -> Annotation | None:
        low_hz, high_hz = max(emission.low_hz, edges[0]), min(emission.high_hz, edges[1])
        if low_hz >= high_hz:
            return None
        first = max(0, round((emission.start_ns - self._band.start_ns) / NS_PER_S * rate_hz))
        last = min(self.samples, round((emission.end_ns - self._band.start_ns) / NS_PER_S * rate_hz))
        return Annotation(first, max(1, last - first), emission.kind, low_hz, high_hz)


def write_iq_recording(
    band: SimulatedBand,
    path: Path,
    *,
    truth_path: Path | None = None,
    on_samples: Callable[[int], None] | None = None,
) -> int:
    """Write a band's samples; returns how many were clipped, which only int16 can be.

    `.sigmf-meta` and `.sigmf-data`, whichever is asked for (complex64, the truth as annotations), or raw
    `.cf32` or `.cs16` with the sidecar `<path>.yaml`; `truth_path` gets the truth as `write_recording` writes
    it. Files appear under their names when they are whole. Memory grows with the truth alone.

    Raises BadInput where the suffix is unknown, a folder is missing, or two files would have one name.
    """
    if path.suffix not in SUFFIXES:
        raise BadInput(f"{path}: suffix is '{path.suffix}', samples are written as {', '.join(SUFFIXES)}")
    if band.rows < 1:
        raise BadInput(f"{path}: {band.rows} rows asked for, a recording has at least 1")
    is_raw = path.suffix in RAW_SUFFIXES
    sidecar_path = path.with_name(path.name + ".yaml")
    others = {path.resolve(), sidecar_path.resolve()} if is_raw else {p.resolve() for p in pair_of(path)}
    if truth_path is not None and truth_path.resolve() in others:
        raise BadInput(f"{truth_path}: the truth needs a file of its own, this is the recording's")
    for output in (path, *([] if truth_path is None else [truth_path])):
        if not output.parent.is_dir():
            raise BadInput(f"{output}: the folder {output.parent} does not exist")
        if output.is_dir():
            raise BadInput(f"{output}: is a folder, a file name is needed")

    reader = SimulatedIq(band)
    with contextlib.ExitStack() as stack:
        truth_part = None if truth_path is None else stack.enter_context(part_file(truth_path))
        if truth_part is not None:
            lines = "".join(truth_line(each) + "\n" for each in reader.emissions)
            truth_part.write_text(lines, encoding="utf-8")
        clipped = 0
        if is_raw:
            clipped = _write_raw(reader, band, path, sidecar_path, on_samples)
        else:
            write_sigmf(reader, path, node=band.node, band=band.band, on_samples=on_samples)
        if truth_part is not None and truth_path is not None:
            truth_part.replace(truth_path)
    return clipped


def _write_raw(
    reader: SimulatedIq,
    band: SimulatedBand,
    path: Path,
    sidecar_path: Path,
    on_samples: Callable[[int], None] | None,
) -> int:
    clipped = 0
    with part_file(path) as part, part_file(sidecar_path) as sidecar_part:
        sidecar_part.write_text(_sidecar(reader.facts, band, path.suffix[1:]), encoding="utf-8")
        with part.open("wb") as file:
            for block in reader.blocks(0, 0, reader.samples, BLOCK_SAMPLES):
                clipped += _write_block(file, block, path.suffix)
                if on_samples is not None:
                    on_samples(len(block))
        sidecar_part.replace(sidecar_path)
        part.replace(path)
    return clipped


def _write_block(file: BinaryIO, block: NDArray[np.complex64], suffix: str) -> int:
    parts = block.view(np.float32)
    if suffix == ".cf32":
        file.write(parts.astype("<f4", copy=False).data)
        return 0
    numbers = np.rint(parts * np.float32(INT16_FULL))
    beyond = (numbers < -INT16_FULL) | (numbers > INT16_FULL - 1)
    file.write(np.clip(numbers, -INT16_FULL, INT16_FULL - 1).astype("<i2").data)
    return int(beyond.reshape(-1, 2).any(1).sum())


def _sidecar(facts: IqFacts, band: SimulatedBand, sample_type: str) -> str:
    about = {
        "format": sample_type,
        "sample_rate_hz": facts.sample_rate_hz,
        "center_hz": facts.captures[0].center_hz,
        "node": band.node,
        "band": band.band,
    }
    # A time without quotes is a YAML timestamp; the library would put a string's in quotes.
    return f"start: {iso_utc(band.start_ns)}\n" + yaml.safe_dump(about, sort_keys=False)
