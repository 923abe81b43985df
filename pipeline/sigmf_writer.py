"""IQ recordings -> `.sigmf-meta` and `.sigmf-data`, sample for sample."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BadInput
from .frames import NS_PER_S
from .part_file import part_file
from .readers.iq_reader import IqFacts, IqReader, Samples
from .readers.sigmf_meta import pair_of

BLOCK_SAMPLES = 1 << 20
LONGEST_LABEL = 20  # the specification's recommendation; longer words are a comment
EXTENSION = {"name": "bandwatch", "version": "1.0.0", "optional": True}

DATATYPES = {"uint8": "cu8", "int8": "ci8", "int16": "ci16_le", "complex64": "cf32_le"}


def write_sigmf(
    iq: IqReader, path: Path, *, node: str, band: str, on_samples: Callable[[int], None] | None = None
) -> int:
    """Write every channel of a recording; `path` ends in either suffix. Returns the bytes of data.

    Samples keep their type (8-bit, 16-bit, or complex64 for everything else), captures are a segment each
    and channels interleaved. The metadata is checked by the `sigmf` library and appears last, when the
    data is whole. `on_samples` hears how many samples of all channels each block had. Memory: a block of
    every channel. `BadInput` where the metadata breaks SigMF's rules, or as in `part_file`.
    """
    meta_path, data_path = pair_of(path)
    digest = hashlib.sha512()
    written, datatype = 0, ""
    with part_file(data_path) as data_part, part_file(meta_path) as meta_part:
        with data_part.open("wb") as stream:
            for block in _interleaved(iq):
                datatype = datatype or DATATYPES[block.dtype.name]
                data = np.ascontiguousarray(block, block.dtype.newbyteorder("<")).view(np.uint8).data
                stream.write(data)
                digest.update(data)
                written += data.nbytes
                if on_samples is not None:
                    on_samples(len(block))
        text = _checked(meta_path, _metadata(iq.facts, datatype, digest.hexdigest(), node, band))
        meta_part.write_text(text, encoding="utf-8")
        # Metadata of other data must not stand beside these, not even for a moment.
        meta_path.unlink(missing_ok=True)
        data_part.replace(data_path)
        meta_part.replace(meta_path)
    return written


def _interleaved(iq: IqReader) -> Iterator[Samples]:
    """Blocks [n, channels, ...] of all captures in order."""
    channels = range(iq.facts.channels)
    most = max(1, BLOCK_SAMPLES // len(channels))
    for capture in iq.facts.captures:
        streams = [iq.blocks(each, capture.first, capture.samples, most) for each in channels]
        for blocks in zip(*streams, strict=True):
            yield np.stack(blocks, axis=1)


def _metadata(facts: IqFacts, datatype: str, sha512: str, node: str, band: str) -> dict[str, Any]:
    about: dict[str, Any] = {
        "core:datatype": datatype,
        "core:sample_rate": facts.sample_rate_hz,
        "core:num_channels": facts.channels,
        "core:sha512": sha512,
        "core:recorder": "bandwatch",
        "core:extensions": [EXTENSION],
        "bandwatch:node": node,
        "bandwatch:band": band,
    }
    if facts.gain_db is not None:
        about["bandwatch:gain_db"] = facts.gain_db
    if facts.frame_samples is not None:
        about["bandwatch:frame_samples"] = facts.frame_samples
    starts = np.cumsum([0, *(each.samples for each in facts.captures)]).tolist()
    return {
        "global": about,
        "captures": list(_segments(facts, starts)),
        "annotations": sorted(_annotations(facts, starts), key=lambda each: each["core:sample_start"]),
    }


def _segments(facts: IqFacts, starts: list[int]) -> Iterator[dict[str, Any]]:
    """A segment a capture. The global index tells a hole that is too short to show in the times."""
    first_ns = facts.captures[0].time_ns
    for capture, start in zip(facts.captures, starts, strict=False):
        segment = {
            "core:sample_start": start,
            "core:frequency": capture.center_hz,
            "core:datetime": f"{np.datetime64(capture.time_ns, 'ns')}Z",
        }
        index = round((capture.time_ns - first_ns) * Fraction(facts.sample_rate_hz) / NS_PER_S)
        if index >= 0:
            segment["core:global_index"] = index
        yield segment


def _annotations(facts: IqFacts, starts: list[int]) -> Iterator[dict[str, Any]]:
    firsts = [capture.first for capture in facts.captures]
    for each in facts.annotations:
        # Samples before and between captures are not written: what comes after them moves up.
        number = max(0, bisect_right(firsts, each.first) - 1)
        record: dict[str, Any] = {"core:sample_start": starts[number] + max(0, each.first - firsts[number])}
        if each.samples is not None:
            record["core:sample_count"] = each.samples
        if each.text:
            record["core:label" if len(each.text) <= LONGEST_LABEL else "core:comment"] = each.text
        if each.low_hz is not None and each.high_hz is not None:
            record |= {"core:freq_lower_edge": each.low_hz, "core:freq_upper_edge": each.high_hz}
        yield record


def _checked(path: Path, metadata: dict[str, Any]) -> str:
    """The metadata as text, after the library's own check."""
    # Half a second to import: only those who write SigMF wait for it.
    import jsonschema
    import sigmf

    recording = sigmf.SigMFFile(metadata=metadata)
    try:
        recording.validate()
    except jsonschema.ValidationError as error:
        raise BadInput(f"{path}: SigMF cannot say this: {' '.join(error.message.split())[:200]}") from None
    return recording.dumps()
