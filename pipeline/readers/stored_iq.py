"""IQ samples of one channel that stand one after the other in a stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import BadInput
from .iq_reader import IqFacts, Samples
from .sample_bytes import ByteSource, SampleLayout


class StoredIq:
    """IqReader of samples laid out in bytes; `swapped` where Q comes before I."""

    def __init__(
        self, facts: IqFacts, layout: SampleLayout, source: ByteSource, swapped: bool = False
    ) -> None:
        self.facts = facts
        self._layout = layout
        self._source = source
        self._swapped = swapped

    def blocks(self, channel: int, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        check_range(self.facts, channel, first, samples)
        size = self._layout.sample_bytes
        for data in self._source.chunks(first * size, samples * size, block_samples * size):
            block = self._layout.decode(data)
            yield _exchanged(block) if self._swapped else block


def check_range(facts: IqFacts, channel: int, first: int, samples: int) -> None:
    """`BadInput` unless a recording has the channel and the samples."""
    if not 0 <= channel < facts.channels:
        raise BadInput(
            f"channel {channel}; limit: 0 to {facts.channels - 1}, {facts.format} has {facts.channels}"
        )
    if first < 0 or samples < 0 or first + samples > facts.samples:
        raise BadInput(f"{facts.format}: samples {first} to {first + samples}; limit: 0 to {facts.samples}")


def _exchanged(block: Samples) -> Samples:
    if block.ndim == 2:
        return block[:, ::-1].copy()
    # I + jQ of exchanged parts: j times the conjugate.
    return 1j * block.conj()
