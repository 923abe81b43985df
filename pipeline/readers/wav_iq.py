"""WAV of two channels: I on the left, Q on the right."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from ..errors import BadInput
from ..iq_rows import iq_rows
from ..sidecar import Sidecar
from .iq_names import named_iq
from .iq_origin import IQ_KEYS, Origin, one_tuning
from .iq_reader import IqFacts, IqReader
from .reader import Format, FrameReader, Opening
from .sample_bytes import FileBytes, SampleLayout, decode_24_bit, decode_complex64, pairs, scaled
from .stored_iq import StoredIq
from .wav_auxi import wav_origin
from .wav_chunks import FLOAT, PCM, is_wav, read_chunks

_LAYOUTS = {
    (PCM, 1): SampleLayout("8-bit PCM", 2, pairs("u1")),
    (PCM, 2): SampleLayout("16-bit PCM", 4, pairs("<i2")),
    (PCM, 3): SampleLayout("24-bit PCM", 6, decode_24_bit),
    (PCM, 4): SampleLayout("32-bit PCM", 8, scaled("<i4", 2.0**31)),
    (FLOAT, 4): SampleLayout("32-bit float", 8, decode_complex64),
    (FLOAT, 8): SampleLayout("64-bit float", 16, scaled("<f8", 1.0)),
}


def open_wav_iq(path: Path, sidecar: Sidecar, opening: Opening) -> IqReader:
    """A WAV of I and Q; where and when it was recorded from its chunks, else its name, a sidecar before both.

    `auxi` chunks are read as UTC: where a program wrote local times, the sidecar's `time_zone` says of where.
    """
    chunks = read_chunks(path)
    if chunks.channels != 2:
        raise BadInput(f"{path}: {chunks.channels} channels; limit: 2, I and Q")
    layout = _LAYOUTS.get((chunks.coding, chunks.value_bytes))
    if layout is None:
        raise BadInput(
            f"{path}: coding {chunks.coding} of {8 * chunks.value_bytes} bits; limit: PCM (1) of 8, 16, 24 or"
            " 32 bits, float (3) of 32 or 64"
        )
    named = named_iq(path.name, sidecar.time_zone or opening.time_zone)
    inside = wav_origin(chunks.kept, sidecar.time_zone or UTC)
    told = Origin(float(chunks.rate_hz) or None).or_else(_wide(inside.origin, named.origin))
    told = told.or_else(named.origin)
    problems = list(chunks.problems)
    samples, odd = divmod(chunks.data_bytes, layout.sample_bytes)
    if odd:
        problems.append(f"{odd} bytes after the last whole sample are left out")
    if inside.swapped:
        problems.append("Q stands before I by its 'auxi' chunk: exchanged")
    tuning = one_tuning(path, sidecar, told, samples)
    dated = sidecar.start_ns is not None or inside.origin.start_ns is not None
    if named.local and not dated and not (sidecar.time_zone or opening.time_zone):
        problems.append("the time in the name is local and its zone unknown: taken for UTC (time_zone)")
    facts = IqFacts(
        format="wav",
        sample_type=layout.name,
        sample_rate_hz=tuning.sample_rate_hz,
        channels=1,
        captures=(tuning.capture,),
        unit=sidecar.unit or "dBFS/bin",
        node=sidecar.node,
        band=sidecar.band,
        problems=(*problems, *tuning.problems),
    )
    source = FileBytes(path, chunks.data_offset, chunks.data_bytes)
    return StoredIq(facts, layout, source, swapped=inside.swapped)


def _wide(inside: Origin, named: Origin) -> Origin:
    """The chunks' word, but the name's centre where the chunk holds only its lower 32 bits."""
    low, center = inside.center_hz, named.center_hz
    if low is not None and center is not None and center > low and center % 2.0**32 == low:
        return Origin(inside.sample_rate_hz, center, inside.start_ns, inside.gain_db)
    return inside


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> FrameReader:
    return iq_rows(open_wav_iq(path, sidecar, opening), opening)


def _matches(_path: Path, head: bytes) -> bool:
    return is_wav(head)


FORMAT = Format(name="wav", suffixes=(".wav", ".rf64"), open=_open, matches=_matches, keys=IQ_KEYS)
