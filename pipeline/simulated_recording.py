"""A recording of the simulated band, its sidecar and its truth, as files."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import h5py
import numpy as np
import yaml

from .errors import BadInput
from .frames import NS_PER_S, Float32
from .patches import Emission
from .simulator import Simulator

BLOCK_ROWS = 1024
MOST_NPZ_BYTES = 2_000_000_000
ARRAY = "power_db"


def write_recording(
    simulator: Simulator,
    path: Path,
    rows: int,
    *,
    truth_path: Path | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> None:
    """Write the next `rows` rows as `.npy`, `.npz` or `.h5`, with the sidecar `<path>.yaml`.

    The array (in .npz and .h5 named `power_db`) is float32 [rows, bins]. `truth_path` gets one JSON object a
    line for each emission that begins within the rows: kind, start, end (ISO 8601, UTC), low_hz, high_hz,
    power_db (over the noise floor). `on_rows` hears how many rows each written block had. Memory does not
    grow with the rows, but for .npz.

    Files appear under their names when they are whole, the recording last; until then they are
    `.<name>.<process>.part` beside it.

    Raises BadInput where the suffix is unknown, a folder is missing, two files would have one name, or an
    .npz would be over 2 GB.
    """
    writers = {".npy": _write_npy, ".npz": _write_npz, ".h5": _write_h5}
    if path.suffix not in writers:
        raise BadInput(f"{path}: suffix is '{path.suffix}', a recording is written as {', '.join(writers)}")
    shape = (rows, simulator.scene.bins)
    if rows < 1:
        raise BadInput(f"{path}: {rows} rows asked for, a recording has at least 1")
    if path.suffix == ".npz" and 4 * rows * simulator.scene.bins > MOST_NPZ_BYTES:
        size = f"{4e-9 * rows * simulator.scene.bins:.1f} GB"
        raise BadInput(f"{path}: {rows} rows are {size}, an .npz takes at most 2 GB: write .h5 instead")
    sidecar_path = path.with_name(path.name + ".yaml")
    outputs = [path, sidecar_path] if truth_path is None else [path, sidecar_path, truth_path]
    if truth_path is not None and truth_path.resolve() in (path.resolve(), sidecar_path.resolve()):
        raise BadInput(f"{truth_path}: the truth needs a file of its own, this is the recording's")
    for output in outputs:
        if not output.parent.is_dir():
            raise BadInput(f"{output}: the folder {output.parent} does not exist")
        if output.is_dir():
            raise BadInput(f"{output}: is a folder, a file name is needed")

    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context(_part(output)) for output in outputs]
        truth_file = stack.enter_context(parts[2].open("w", encoding="utf-8")) if truth_path else None
        parts[1].write_text(_sidecar(simulator, path.suffix), encoding="utf-8")
        writers[path.suffix](parts[0], shape, _blocks(simulator, rows, truth_file, on_rows))
        if truth_file is not None:
            truth_file.close()
        for part, output in reversed(list(zip(parts, outputs, strict=True))):
            part.replace(output)


def iso_utc(time_ns: int) -> str:
    """ISO 8601 in UTC, to the second where it is whole and to the nanosecond where not."""
    unit = "ns" if time_ns % NS_PER_S else "s"
    return f"{np.datetime_as_string(np.datetime64(time_ns, 'ns'), unit=unit)}Z"


def truth_line(emission: Emission) -> str:
    """One emission as a line of JSON."""
    return json.dumps(
        {
            "kind": emission.kind,
            "start": iso_utc(emission.start_ns),
            "end": iso_utc(emission.end_ns),
            "low_hz": emission.low_hz,
            "high_hz": emission.high_hz,
            "power_db": emission.power_db,
        }
    )


@contextlib.contextmanager
def _part(path: Path) -> Iterator[Path]:
    """A name beside `path` for what is not whole yet; nothing stays there when the block ends badly."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _blocks(
    simulator: Simulator, rows: int, truth_file: IO[str] | None, on_rows: Callable[[int], None] | None
) -> Iterator[Float32]:
    """The rows block by block; the truth is written and forgotten as they come."""
    simulator.drain_truth()
    done = 0
    while done < rows:
        block = simulator.block(min(BLOCK_ROWS, rows - done))
        begun = simulator.drain_truth()
        if truth_file is not None:
            truth_file.writelines(truth_line(emission) + "\n" for emission in begun)
        done += len(block)
        yield block
        if on_rows is not None:
            on_rows(len(block))


def _sidecar(simulator: Simulator, suffix: str) -> str:
    scene = simulator.scene
    array = {".npz": {"array": ARRAY}, ".h5": {"dataset": ARRAY}}.get(suffix, {})
    facts = array | {
        "step_seconds": scene.duration_ns / NS_PER_S,
        "first_hz": scene.raster.first_hz,
        "bin_hz": scene.bin_hz,
        "unit": "dBFS/bin",
        "node": simulator.node,
        "band": simulator.band,
    }
    # A time without quotes is a YAML timestamp; the library would put a string's in quotes.
    return f"start: {iso_utc(simulator.time_ns)}\n" + yaml.safe_dump(facts, sort_keys=False)


def _write_npy(path: Path, shape: tuple[int, int], blocks: Iterator[Float32]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(block.astype("<f4", copy=False).data)


def _write_npz(path: Path, shape: tuple[int, int], blocks: Iterator[Float32]) -> None:
    power_db, row = np.empty(shape, np.float32), 0
    for block in blocks:
        power_db[row : row + len(block)] = block
        row += len(block)
    with path.open("wb") as file:
        np.savez(file, power_db=power_db)


def _write_h5(path: Path, shape: tuple[int, int], blocks: Iterator[Float32]) -> None:
    with h5py.File(path, "w") as file:
        dataset, row = file.create_dataset(ARRAY, shape, "<f4"), 0
        for block in blocks:
            dataset[row : row + len(block)] = block
            row += len(block)
