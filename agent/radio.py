"""A band's settings as a radio."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from ..config.schema import Band, Psd, RadioSource
from ..pipeline import radio_source
from ..pipeline.psd import PowerSpectrum
from ..pipeline.psd_shape import PsdShape
from ..pipeline.soapy_settings import RadioSettings


def spectrum_of(psd: Psd) -> PsdShape:
    """The spectrum that a band's settings ask for; raises BadInput where its engine is not installed."""
    if psd.engine == "torch":
        from ..models.torch_psd import TorchPowerSpectrum  # torch takes seconds to load

        return TorchPowerSpectrum(psd.bins, psd.overlap, psd.frames_per_row, psd.window, hold=psd.hold)
    return PowerSpectrum(
        psd.bins,
        psd.overlap,
        psd.frames_per_row,
        psd.window,
        hold=psd.hold,
        engine=psd.engine,
        threads=psd.threads,
    )


def radio_of(
    node: str, band: Band, source: RadioSource, on_trouble: Callable[[str], None]
) -> radio_source.RadioSource:
    """The source of a band's rows; raises BadInput when iterated if the device cannot be used as asked."""
    return radio_source.RadioSource(
        RadioSettings(
            device=source.device,
            sample_rate_hz=source.sample_rate_hz,
            center_hz=source.center_hz,
            bandwidth_hz=source.bandwidth_hz,
            gain=source.gain_db,
            antenna=source.antenna,
            channel=source.channel,
        ),
        spectrum_of(band.psd),
        node=node,
        band=band.name,
        stream=secrets.randbits(62),
        clock_ns=time.time_ns,
        monotonic=time.monotonic,
        on_trouble=on_trouble,
        silence_seconds=source.silence_seconds,
    )
