"""Raw IQ: nothing but samples, I then Q; their type by suffix, the rest by name or sidecar.

`.zst` after any of the suffixes: the same, compressed with zstd.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..errors import BadInput
from ..iq_rows import iq_rows
from ..sidecar import Sidecar
from .iq_names import is_gamutrf_fft, named_iq
from .iq_origin import IQ_KEYS, one_tuning
from .iq_reader import IqFacts, IqReader
from .reader import Format, FrameReader, Opening
from .sample_bytes import CF32, CS8, CS16, CU8, ByteSource, FileBytes, SampleLayout
from .stored_iq import StoredIq
from .zstd_stream import ZstdBytes

# rtl_433's suffix, gamutRF's and Universal Radio Hacker's (whose number counts both parts' bits).
_SUFFIXES = {
    CU8: (".cu8", ".u8", ".complex16u"),
    CS8: (".cs8", ".s8", ".complex16s"),
    CS16: (".cs16", ".s16", ".ci16", ".complex32s"),
    CF32: (".cf32", ".fc32", ".cfile", ".complex", ".raw"),
}


def open_raw_iq(path: Path, sidecar: Sidecar, opening: Opening, layout: SampleLayout) -> IqReader:
    """A file of samples that stand as `layout` says; bytes after the last whole one are told and left out."""
    named = named_iq(path.name, sidecar.time_zone or opening.time_zone)
    source: ByteSource
    problems: list[str] = []
    notes: list[tuple[str, str]] = []
    if path.name.lower().endswith(".zst"):
        source = ZstdBytes(path, layout.sample_bytes)
        notes.append(("compression", "zstd"))
        if source.problem is not None:
            problems.append(source.problem)
    else:
        source = FileBytes(path)
    samples, odd = divmod(source.size, layout.sample_bytes)
    if odd:
        problems.append(f"{odd} bytes after the last whole sample are left out")
    tuning = one_tuning(path, sidecar, named.origin, samples)
    if named.local and sidecar.start_ns is None and not (sidecar.time_zone or opening.time_zone):
        problems.append("the time in the name is local and its zone unknown: taken for UTC (time_zone)")
    facts = IqFacts(
        format=f"raw {layout.name}",
        sample_type=layout.name,
        sample_rate_hz=tuning.sample_rate_hz,
        channels=1,
        captures=(tuning.capture,),
        unit=sidecar.unit or "dBFS/bin",
        gain_db=named.origin.gain_db,
        node=sidecar.node,
        band=sidecar.band,
        problems=(*problems, *tuning.problems),
        notes=tuple(notes),
    )
    return StoredIq(facts, layout, source)


def _open(layout: SampleLayout, path: Path, sidecar: Sidecar, opening: Opening) -> FrameReader:
    if is_gamutrf_fft(path.name) and sidecar.format is None:
        raise BadInput(f"{path}: gamutRF's FFT points by its name; limit: IQ samples")
    return iq_rows(open_raw_iq(path, sidecar, opening, layout), opening)


def _says_itself(path: Path, _head: bytes) -> bool:
    """Whether a `.raw` is Gqrx's or gamutRF's: others give their samples that suffix too, in any type."""
    suffixed = not path.name.lower().removesuffix(".zst").endswith(".raw")
    return suffixed or named_iq(path.name).program is not None


FORMATS = tuple(
    Format(
        name=layout.name,
        suffixes=tuple(suffix + end for suffix in suffixes for end in ("", ".zst")),
        open=partial(_open, layout),
        matches=_says_itself,
        keys=IQ_KEYS,
    )
    for layout, suffixes in _SUFFIXES.items()
)
