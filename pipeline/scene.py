"""What a simulated band is: its geometry, its noise and who transmits in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .arrivals import Periodic, Poisson
from .emitters import (
    Carrier,
    Emitter,
    FskTelemetry,
    LoraBursts,
    OokRemote,
    SpreadFrames,
    UltraNarrowHops,
    WidebandInterference,
)
from .errors import BadInput
from .frames import NS_PER_S
from .gain_drift import GainDrift
from .patches import Raster


def srd_868_emitters() -> tuple[Emitter, ...]:
    """Who is heard around 868.3 MHz in a town: parameters from the band's standards and from what a
    testbed recorded there (bursts to 23 dB above the floor, day busier than night)."""
    return (
        SpreadFrames(Poisson(300, 0.5), 868.3e6, 300e3, (0.05, 0.5), (4.0, 14.0)),
        UltraNarrowHops(
            Poisson(150, 0.3), (868.201e6, 868.391e6), (100.0, 1000.0), (1.9, 2.2), (0.05, 0.5), (8.0, 23.0)
        ),
        LoraBursts(Poisson(150, 0.4), 868.3e6, 125e3, (9, 12), (25, 60), (4.0, 14.0)),
        FskTelemetry(Periodic(15.0, 1.5, 3.0), 868.216e6, 2.6e3, 2.2e3, (0.15, 0.45), (17.0, 21.0)),
        FskTelemetry(Periodic(300.0, 4.0, 20.0), 868.352e6, 5.0e3, 3.0e3, (6.0, 9.0), (10.0, 14.0)),
        OokRemote(Poisson(60, 0.9), (868.226e6, 868.246e6), 2.0e3, (0.04, 0.1), (0.1, 0.5), (3, 8), (8, 20)),
        Carrier(Periodic(900.0, 120.0), 868.331e6, 30.0, 400.0, 700.0, (300.0, 600.0), (5.0, 9.0)),
        WidebandInterference(
            Poisson(40, 0.6), (868.2e6, 868.392e6), (60e3, 400e3), (0.6, 8.0), 0.4, 4.0, (3.0, 9.0)
        ),
    )


@dataclass(frozen=True)
class Scene:
    """A band: `bins` bins of `bin_hz` around `center_hz`, `rows_per_second` rows, in dBFS/bin.

    `averaged_spectra` is how many independent spectra a row averages, K: every bin is a chi-square of 2 K
    degrees of freedom over its mean, so K need not be whole. `bin_correlation` is the correlation of
    neighbouring bins' power (0.44 behind a Hann window). `resolution_db` is the step of the values, or 0.
    The receiver's filter loses `roll_off_db` at both ends over `roll_off_share` of the bins each; its own
    DC line stands `dc_line_db` over the floor in the middle. Its gain drifts by `gain_drift_db` (standard
    deviation over days) and jitters by `gain_jitter_db` from row to row. Defaults resemble a testbed's
    868 MHz band, louder and busier (`named_scenes.py` has the calibrated one).

    Raises BadInput where the geometry or the noise is impossible.
    """

    center_hz: float = 868.296e6
    bin_hz: float = 187.5
    bins: int = 1024
    rows_per_second: float = 5.0
    noise_floor_db: float = -110.0
    averaged_spectra: float = 19.0
    roll_off_db: float = 2.6
    roll_off_share: float = 0.125
    dc_line_db: float = 2.0
    bin_correlation: float = 0.0
    resolution_db: float = 0.0
    gain_drift_db: float = 0.0
    gain_jitter_db: float = 0.0
    emitters: tuple[Emitter, ...] = field(default_factory=srd_868_emitters)

    def __post_init__(self) -> None:
        for name in ("center_hz", "bin_hz", "bins", "rows_per_second", "averaged_spectra"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise BadInput(f"scene: {name} is {value}, it must be a number above 0")
        if self.rows_per_second > NS_PER_S:
            raise BadInput(
                f"scene: rows_per_second is {self.rows_per_second}, at most {NS_PER_S} is possible"
            )
        for name in ("noise_floor_db", "roll_off_db"):
            if not math.isfinite(getattr(self, name)):
                raise BadInput(f"scene: {name} is {getattr(self, name)}, it must be finite")
        for name, least, most in (
            ("dc_line_db", 0.0, 100.0),
            ("roll_off_share", 0.0, 0.5),
            ("bin_correlation", 0.0, 0.6),
            ("resolution_db", 0.0, 10.0),
            ("gain_drift_db", 0.0, 20.0),
            ("gain_jitter_db", 0.0, 20.0),
        ):
            if not least <= getattr(self, name) <= most:
                raise BadInput(f"scene: {name} is {getattr(self, name)}, it must be in {least:g}..{most:g}")

    @property
    def duration_ns(self) -> int:
        """What a row lasts."""
        return round(NS_PER_S / self.rows_per_second)

    @property
    def raster(self) -> Raster:
        first_hz = self.center_hz - (self.bins - 1) / 2 * self.bin_hz
        return Raster(first_hz, self.bin_hz, self.duration_ns / NS_PER_S)

    def drift(self, seed: int, start_ns: int) -> GainDrift | None:
        """The receiver's drifting gain; None where it stands still."""
        if not (self.gain_drift_db or self.gain_jitter_db):
            return None
        return GainDrift(seed, start_ns, self.gain_drift_db, self.gain_jitter_db)

    def receiver_db(self) -> np.ndarray:
        """The receiver's filter, dB [bins]: 0 in the middle, a half cosine down to -roll_off_db."""
        from_edge = np.minimum(np.arange(self.bins), np.arange(self.bins)[::-1]) + 0.5
        inside = np.clip(from_edge / max(self.roll_off_share * self.bins, 0.5), 0.0, 1.0)
        return -self.roll_off_db * (0.5 + 0.5 * np.cos(np.pi * inside))
