"""Every format that can be opened, in the order in which a file is asked whether it is one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from .errors import BadInput
from .matrix_rows import MatrixRows
from .readers import headerless_csv
from .readers.es_sensor_csv import FORMAT as ES_SENSOR
from .readers.hackrf_sweep_binary import FORMAT as HACKRF_SWEEP_BINARY
from .readers.hackrf_sweep_csv import FORMAT as HACKRF_SWEEP
from .readers.hdf5 import Hdf5Matrix
from .readers.mat_iq import FORMAT as MAT
from .readers.matrix import Matrix
from .readers.nist_dat import FORMAT as NIST_DAT
from .readers.npy import NpyMatrix
from .readers.npz import NpzMatrix
from .readers.npz_frames import FORMAT as NPZ_FRAMES
from .readers.parquet import FORMAT as PARQUET
from .readers.raw_iq import FORMATS as RAW_IQ
from .readers.reader import HEAD_BYTES, Format
from .readers.rtl_power_csv import FORMAT as RTL_POWER
from .readers.sigmf_iq import FORMAT as SIGMF
from .readers.soapy_power_binary import FORMAT as SOAPY_POWER_BINARY
from .readers.soapy_power_csv import FORMAT as SOAPY_POWER
from .readers.wav_iq import FORMAT as WAV
from .sidecar import MATRIX_KEYS, Sidecar

_NAMES = ("node", "band", "format")


def _matrix_format(
    name: str, suffixes: tuple[str, ...], open_matrix: Callable[[Path, Sidecar], Matrix], *keys: str
) -> Format:
    return Format(
        name,
        suffixes,
        open=lambda path, sidecar, _: MatrixRows(path, open_matrix(path, sidecar), sidecar),
        # Formats without room for row times say so themselves.
        keys=(*MATRIX_KEYS, *_NAMES, "time_unix", *keys),
        required=MATRIX_KEYS,
    )


FORMATS: tuple[Format, ...] = (
    _matrix_format("npy", (".npy",), lambda path, _: NpyMatrix(path)),
    NPZ_FRAMES,
    _matrix_format(
        "npz",
        (".npz",),
        lambda path, sidecar: NpzMatrix(path, sidecar.array, sidecar.time_unix),
        "array",
    ),
    _matrix_format(
        "hdf5",
        (".h5", ".hdf5"),
        lambda path, sidecar: Hdf5Matrix(path, sidecar.dataset, sidecar.time_unix),
        "dataset",
    ),
    NIST_DAT,
    SIGMF,
    PARQUET,
    WAV,
    MAT,
    *RAW_IQ,
    SOAPY_POWER_BINARY,
    HACKRF_SWEEP_BINARY,
    HACKRF_SWEEP,
    ES_SENSOR,
    RTL_POWER,
    SOAPY_POWER,
    dataclasses.replace(
        _matrix_format("csv", (".csv",), lambda path, _: headerless_csv.CsvMatrix(path)),
        matches=headerless_csv.matches,
    ),
)


def known_suffixes() -> list[str]:
    """Every suffix that some format has, in order, once; those of compressed files are left out."""
    suffixes = (suffix for each in FORMATS for suffix in each.suffixes)
    return [suffix for suffix in dict.fromkeys(suffixes) if not suffix.endswith(".zst")]


def format_of(path: Path, sidecar: Sidecar) -> Format:
    """The format that the sidecar names, or the first whose suffix and first bytes the file has.

    Raises BadInput where no format is known for it, OSError where it cannot be read.
    """
    if sidecar.format is not None:
        named = [each for each in FORMATS if sidecar.format in (each.name, *each.also)]
        if not named:
            names = ", ".join(name for each in FORMATS for name in (each.name, *each.also))
            raise BadInput(f"{sidecar.path}: format: '{sidecar.format}'; limit: {names}")
        return named[0]
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    name = path.name.lower()
    for each in FORMATS:
        if name.endswith(each.suffixes) and (each.matches is None or each.matches(path, head)):
            return each
    raise BadInput(
        f"{path}: unknown kind of recording '{path.suffix}'; limit: {', '.join(known_suffixes())},"
        " or a sidecar that says the format"
    )
