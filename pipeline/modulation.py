"""From what the simulator says of a transmission to the waveforms that carry it.

The widths that the simulator paints are those of these modulations: a hump of width w is a root raised
cosine pulse train of symbol rate w / 2; two tones of width w each are keyed about 0.9 w times a second; a
code of on-off keying has marks of 3 / w seconds; half-sine chips fill 1.5 times their rate. Data are random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .errors import BadInput
from .keyed_pulses import OffsetQpsk, OnOffPulses, PulseTrain
from .patches import SIDE_LOBES, Patch, Transmission
from .swept_phases import GaussianFsk, LoraChirps, WanderingTone
from .waveform import Float64, Waveform

_PREAMBLE_BITS = 32

Payload = Callable[[int], np.random.Generator]
"""The generator of a transmission's n-th payload: a new one each time, that draws the same."""


@dataclass(frozen=True, slots=True)
class Burst:
    """A waveform on the air: from when to when, around which frequency and how far to its sides; `power_db`
    is of its strongest bin over the floor. `make` makes the waveform, the same one each time."""

    start_seconds: float
    end_seconds: float
    center_hz: float
    reach_hz: float
    power_db: float
    make: Callable[[], Waveform]


def bursts_of(sent: Transmission, random: Payload) -> list[Burst]:
    """The bursts of a transmission; `random` gives the generators of its payloads.

    Raises BadInput for a kind that nobody knows to modulate.
    """
    patches = sent.patches
    match sent.kind:
        case "ieee-802.15.4":
            return [_of(p, _chips(p, random, n)) for n, p in enumerate(patches)]
        case "ultra-narrowband":
            return [_of(p, _differential_bpsk(p, random, n)) for n, p in enumerate(patches)]
        case "lora":
            return [_of(p, _chirps(p, random, n)) for n, p in enumerate(patches)]
        case "fsk":
            return [_keyed_tones(patches, random)]
        case "ook":
            return [_of(p, _code(p, random)) for p in patches]
        case "carrier":
            return [_of(p, _tone(p)) for p in patches]
        case "interference":
            return [_of(p, _noise(p, random, n)) for n, p in enumerate(patches)]
        case _:
            raise BadInput(f"samples of '{sent.kind}': its modulation is not known")


def _of(patch: Patch, make: Callable[[], Waveform]) -> Burst:
    reach_hz = patch.wander_hz + patch.width_hz / 2 * (SIDE_LOBES if patch.half_sine else 1)
    return Burst(patch.start_seconds, patch.end_seconds, patch.center_hz, reach_hz, patch.power_db, make)


def _count(patch: Patch, rate_hz: float) -> int:
    return math.ceil((patch.end_seconds - patch.start_seconds) * rate_hz) + 2


def _signs(random: np.random.Generator, count: int) -> Float64:
    return random.choice(np.array((-1.0, 1.0)), count)


def _chips(patch: Patch, random: Payload, number: int) -> Callable[[], Waveform]:
    if patch.half_sine:
        chip_hz = patch.width_hz / 1.5
        return lambda: OffsetQpsk(_signs(random(number), _count(patch, chip_hz)), chip_hz)
    chip_hz = patch.width_hz / 2
    return lambda: PulseTrain(_signs(random(number), _count(patch, chip_hz)), chip_hz)


def _differential_bpsk(patch: Patch, random: Payload, number: int) -> Callable[[], Waveform]:
    bit_hz = patch.width_hz / 2
    # A 0 turns the phase by half a turn, a 1 leaves it.
    return lambda: PulseTrain(np.multiply.accumulate(_signs(random(number), _count(patch, bit_hz))), bit_hz)


def _chirps(patch: Patch, random: Payload, number: int) -> Callable[[], Waveform]:
    count = _count(patch, 1 / patch.sweep_seconds)
    most = round(patch.width_hz * patch.sweep_seconds)
    return lambda: LoraChirps(
        random(number).integers(0, max(most, 1), count), patch.width_hz, patch.sweep_seconds
    )


def _keyed_tones(patches: tuple[Patch, ...], random: Payload) -> Burst:
    low, high = min(p.center_hz for p in patches), max(p.center_hz for p in patches)
    patch = patches[0]
    deviation_hz = (high - low) / 2
    # The modulation index, half an odd number: at whole ones the spectrum would have lines.
    index = max(round(2 * deviation_hz / (0.9 * patch.width_hz) - 0.5), 0) + 0.5
    bit_hz = 2 * deviation_hz / index

    def make() -> Waveform:
        bits = _signs(random(0), _count(patch, bit_hz))
        bits[:_PREAMBLE_BITS] = np.resize((1.0, -1.0), min(_PREAMBLE_BITS, len(bits)))
        return GaussianFsk(bits, deviation_hz, bit_hz)

    return Burst(
        patch.start_seconds,
        patch.end_seconds,
        (low + high) / 2,
        deviation_hz + bit_hz,
        patch.power_db,
        make,
    )


def _code(patch: Patch, random: Payload) -> Callable[[], Waveform]:
    mark_seconds = 3 / patch.width_hz

    def make() -> Waveform:
        bits = _count(patch, 1 / (2 * mark_seconds))
        draw = random(0)  # the same code each time it is repeated
        return OnOffPulses(draw.random(bits) < 0.5, draw.uniform(0, 2 * np.pi, bits), mark_seconds)

    return make


def _tone(patch: Patch) -> Callable[[], Waveform]:
    return lambda: WanderingTone(patch.wander_hz, patch.wander_seconds)


def _noise(patch: Patch, random: Payload, number: int) -> Callable[[], Waveform]:
    rate_hz = patch.width_hz / 2

    def make() -> Waveform:
        parts = random(number).standard_normal((2, _count(patch, rate_hz)))
        return PulseTrain((parts[0] + 1j * parts[1]) / math.sqrt(2), rate_hz)

    return make
