"""The scenes that have a name: `default`, `logatec`, `wide`, `varied`, `broad` and `strange`.

`default` is what the shipped band model was fitted on: it never changes. `logatec` has the texture and the
occupancy of a testbed's recording of the same 192 kHz; `wide` is what a node with a cheap wideband receiver
hears of 867.6 to 869.6 MHz; `varied` is another band with every seed, `broad` one of more kinds of emitters
and receivers; `strange` has kinds that no other scene has.
"""

from __future__ import annotations

from .arrivals import Periodic, Poisson
from .broad_scene import broad_scene
from .emitters import (
    Carrier,
    Emitter,
    FskTelemetry,
    LoraBursts,
    OokRemote,
    OqpskExchanges,
    SpreadFrames,
    UltraNarrowHops,
    WidebandInterference,
)
from .errors import BadInput
from .scene import Scene
from .strange_scene import strange_scene
from .varied_scene import varied_scene

BANDS = {
    "default": "srd-868",
    "logatec": "logatec-868",
    "wide": "srd-868-wide",
    "varied": "varied",
    "broad": "broad",
    "strange": "strange-868",
}
"""The scenes and the names of their bands."""


def scene_named(name: str, seed: int) -> Scene:
    """A scene by its name; only `varied` and `broad` depend on the seed. Raises BadInput for another name."""
    match name:
        case "default":
            return Scene()
        case "logatec":
            return logatec_scene()
        case "wide":
            return wide_scene()
        case "varied":
            return varied_scene(seed)
        case "broad":
            return broad_scene(seed)
        case "strange":
            return strange_scene()
        case _:
            raise BadInput(f"scene: '{name}' is not known, there are {', '.join(BANDS)}")


def logatec_scene() -> Scene:
    """192 kHz around 868.296 MHz as LOG-a-TEC records it: 1024 bins, 5 rows/s, whole dB.

    75 half-overlapped frames of 1024 samples fill 0.2 s at 192 kHz, worth about as many independent ones. The
    floor stands 0.3 dB below a whole dB, as the recording's does: what rounding does depends on it.
    """
    return Scene(
        noise_floor_db=-87.3,
        averaged_spectra=76.0,
        bin_correlation=0.58,
        resolution_db=1.0,
        roll_off_share=0.114,
        dc_line_db=2.2,
        gain_drift_db=0.3,
        gain_jitter_db=0.08,
        emitters=_logatec_emitters(),
    )


def _logatec_emitters() -> tuple[Emitter, ...]:
    return (
        SpreadFrames(Poisson(60, 0.5), 868.3e6, 300e3, (0.05, 0.5), (3.0, 12.0)),
        SpreadFrames(Poisson(30, 0.5), 868.3e6, 300e3, (0.6, 1.2), (2.0, 5.0)),
        UltraNarrowHops(
            Poisson(30, 0.3), (868.201e6, 868.391e6), (100.0, 1000.0), (1.9, 2.2), (0.05, 0.5), (8.0, 23.0)
        ),
        UltraNarrowHops(
            Poisson(300, 0.3), (868.201e6, 868.391e6), (200.0, 2000.0), (0.3, 1.2), (0.05, 0.5), (0.0, 5.0)
        ),
        LoraBursts(Poisson(50, 0.4), 868.3e6, 125e3, (9, 12), (25, 60), (3.0, 12.0)),
        FskTelemetry(Periodic(6.0, 1.5, 3.0), 868.228e6, 4.8e3, 2.2e3, (0.1, 0.4), (16.0, 24.0)),
        FskTelemetry(Periodic(300.0, 4.0, 20.0), 868.216e6, 2.4e3, 3.0e3, (2.0, 6.0), (16.0, 24.0)),
        OokRemote(Poisson(25, 0.9), (868.316e6, 868.336e6), 2.0e3, (0.04, 0.1), (0.1, 0.5), (3, 8), (8, 20)),
        Carrier(Periodic(7200.0, 600.0, 900.0), 868.331e6, 30.0, 400.0, 700.0, (200.0, 400.0), (5.0, 9.0)),
        WidebandInterference(
            Poisson(15, 0.6), (868.2e6, 868.392e6), (60e3, 400e3), (0.6, 6.0), 0.4, 4.0, (2.0, 8.0)
        ),
    )


def wide_scene() -> Scene:
    """2.048 MHz around 868.6 MHz: 2048 bins of 1 kHz, 5 rows/s, behind a Hann window, as a node with a
    wideband receiver hears the short-range devices of 867.6..869.6 MHz in a town.

    Channels are those in use in Europe: ultra-narrowband uplinks in the 192 kHz around 868.13 MHz, LoRa's
    three common channels, IEEE 802.15.4's channel 0, alarms above 869.2 MHz. 400 half-overlapped frames of
    2048 samples fill a row; they are worth 379 independent ones.
    """
    return Scene(
        center_hz=868.6e6,
        bin_hz=1000.0,
        bins=2048,
        noise_floor_db=-80.0,
        averaged_spectra=379.0,
        bin_correlation=0.44,
        roll_off_db=4.0,
        roll_off_share=0.08,
        dc_line_db=6.0,
        gain_drift_db=0.5,
        gain_jitter_db=0.03,
        emitters=_wide_emitters(),
    )


def _wide_emitters() -> tuple[Emitter, ...]:
    lora = tuple(
        LoraBursts(Poisson(60, 0.4), center_hz, 125e3, (7, 12), (25, 60), (2.0, 16.0))
        for center_hz in (868.1e6, 868.3e6, 868.5e6)
    )
    return (
        OqpskExchanges(
            Poisson(240, 0.5), 868.3e6, 400e3, (2e-3, 11e-3), (0.5e-3, 5e-3), (4, 40), (6.0, 18.0)
        ),
        UltraNarrowHops(
            Poisson(200, 0.3), (868.034e6, 868.226e6), (200.0, 200.0), (2.0, 2.1), (0.02, 0.1), (3.0, 20.0)
        ),
        *lora,
        LoraBursts(Poisson(20, 0.2), 869.525e6, 125e3, (9, 12), (12, 40), (6.0, 20.0)),
        FskTelemetry(Periodic(15.0, 1.5, 3.0), 868.95e6, 20e3, 9.6e3, (0.05, 0.3), (8.0, 18.0)),
        FskTelemetry(Periodic(60.0, 4.0, 20.0), 869.21e6, 5e3, 4.8e3, (0.5, 2.0), (10.0, 16.0)),
        OokRemote(Poisson(90, 0.9), (868.8e6, 868.9e6), 8e3, (0.04, 0.1), (0.1, 0.5), (3, 8), (5.0, 20.0)),
        Carrier(Periodic(1800.0, 300.0), 867.9e6, 30.0, 2e3, 900.0, (600.0, 1500.0), (4.0, 12.0)),
        Carrier(Periodic(86_400.0), 869.4e6, 30.0, 1e3, 5000.0, (86_400.0, 86_400.0), (5.0, 5.0)),
        WidebandInterference(
            Poisson(30, 0.6), (867.6e6, 869.6e6), (300e3, 2e6), (0.6, 8.0), 0.4, 4.0, (1.0, 8.0)
        ),
    )
