"""What a radio loses is counted once: from its readings over the wire to the gaps of the route."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bandwatch.agent.feeds import TOLD_BY_THE_NEXT_ROW
from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.frames import Gap, IqBlock, PsdFrame, read_only
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.pipeline.psd_rows import PsdRows
from bandwatch.pipeline.radio_blocks import RadioBlocks
from bandwatch.pipeline.soapy import RadioState, Reading
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.wire import decode, encode

STATE = RadioState(1e6, 868e6, 20.0)
NOW_NS = 1_800_000_000_000_000_000
BLOCK_SAMPLES = 4096
BLOCK_NS = BLOCK_SAMPLES * 1000
LOST_SAMPLES = 5000

Item = PsdFrame | IqBlock | Gap


class Radio:
    """A receiver of 1 MS/s, with a clock of its own unless it has none, read by a host with a good one."""

    def __init__(self, *, stamps: bool = True) -> None:
        self.blocks = RadioBlocks("node", "band", 7, STATE, 500_000_000)
        self._stamps = stamps
        self._ns = 0
        self._random = np.random.default_rng(0)

    def hear(self, reads: int = 4) -> list[Item]:
        items: list[Item] = []
        for _ in range(reads):
            noise = self._random.normal(size=(BLOCK_SAMPLES, 2)).astype(np.float32).view(np.complex64)[:, 0]
            reading = Reading(read_only(noise), device_ns=self._ns if self._stamps else None)
            self._ns += BLOCK_NS
            items += self.blocks.take(reading, NOW_NS + self._ns)
        return items

    def lose(self, samples: int) -> None:
        self._ns += samples * 1000


def corrupt(radio: Radio) -> list[Item]:
    radio.lose(LOST_SAMPLES)
    radio.blocks.mark("source")
    return []


def overflow(radio: Radio) -> list[Item]:
    radio.lose(LOST_SAMPLES)
    radio.blocks.mark("overflow")
    return []


def open_again(radio: Radio) -> list[Item]:
    gap = radio.blocks.broken(NOW_NS)
    radio.lose(3_000_000)
    radio.blocks.opened_again(STATE)
    return [gap]


def change_gain(radio: Radio) -> list[Item]:
    radio.blocks.changed(RadioState(1e6, 868e6, 23.0))
    return []


def retune(radio: Radio) -> list[Item]:
    radio.blocks.changed(RadioState(1e6, 869e6, 20.0))
    return []


def heard_by_the_route(blocks: list[Item]) -> list[PsdFrame | Gap]:
    """Rows made of blocks, sent as a feed sends them, received and accounted for."""
    rows = PsdRows(PowerSpectrum(bins=64, frames_per_row=62))
    sent: list[PsdFrame | Gap] = []
    for item in blocks:
        if isinstance(item, Gap):
            sent.append(item)
            rows.gap(item)
        else:
            sent += rows.push(item)
    travelled = [
        decode([bytes(part) for part in encode(item)])
        for item in sent
        if isinstance(item, PsdFrame) or item.reason not in TOLD_BY_THE_NEXT_ROW
    ]
    return drive(Continuity(), travelled)


@pytest.mark.parametrize(
    ("event", "stamps", "told"),
    [
        (corrupt, True, ("source", LOST_SAMPLES)),
        (corrupt, False, ("source", None)),
        (open_again, True, ("source", None)),
        (open_again, False, ("source", None)),
        (overflow, True, ("overflow", LOST_SAMPLES)),
        # A loss that nobody could count is told to the receiver as at least one sample.
        (overflow, False, ("overflow", 1)),
        (change_gain, True, ("gain", 0)),
        (retune, True, ("retuned", 0)),
    ],
)
def test_an_event_is_one_gap_with_its_samples_counted_once(
    event: Callable[[Radio], list[Item]], stamps: bool, told: tuple[str, int | None]
) -> None:
    radio = Radio(stamps=stamps)
    heard = heard_by_the_route(radio.hear() + event(radio) + radio.hear() + radio.hear())
    gaps = [item for item in heard if isinstance(item, Gap)]
    assert [(gap.reason, gap.lost_samples) for gap in gaps] == [told]
    at = heard.index(gaps[0])
    before, after = heard[at - 1], heard[at + 1]
    assert isinstance(before, PsdFrame)
    assert isinstance(after, PsdFrame)
    assert before.end_ns <= gaps[0].time_ns <= after.time_ns
    assert after.seq == before.seq + 1


def test_a_radio_lost_again_and_again_is_a_gap_each_time_and_no_sample() -> None:
    radio = Radio()
    items = radio.hear()
    for _ in range(3):
        items += open_again(radio) + radio.hear()
    gaps = [item for item in heard_by_the_route(items) if isinstance(item, Gap)]
    assert [(gap.reason, gap.lost_samples) for gap in gaps] == [("source", None)] * 3


def test_losses_of_two_kinds_before_the_next_row_are_each_told_with_their_own_samples() -> None:
    radio = Radio()
    short = radio.hear() + overflow(radio)
    # The one read between them is too short for a row; what it was told travels with the next one.
    radio.lose(7)
    items = short + radio.hear(reads=1) + corrupt(radio) + radio.hear()
    gaps = [item for item in heard_by_the_route(items) if isinstance(item, Gap)]
    lost = {gap.reason: gap.lost_samples for gap in gaps}
    assert lost == {"source": LOST_SAMPLES, "overflow": LOST_SAMPLES + 7}
    assert len(gaps) == 2
