"""Recordings as the settings want them opened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from ..config.schema import Settings
from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S
from ..pipeline.recording import Recording
from ..pipeline.replay import open_channels, open_recording
from ..pipeline.sidecar import instant_ns
from .radio import spectrum_of


def open_for_replay(paths: Sequence[Path], settings: Settings, zone: ZoneInfo | None) -> list[Recording]:
    """Every channel of every file. IQ of a band that the settings name becomes rows as its `psd` says.

    Each channel is a band, and has its own settings.
    """
    named = {band.name: band for band in settings.bands}
    recordings: list[Recording] = []
    for path in paths:
        for channel, recording in enumerate(open_channels(path, time_zone=zone)):
            band = named.get(recording.band)
            if recording.iq is not None and band is not None:
                spectrum = spectrum_of(band.psd)
                recording = open_recording(path, time_zone=zone, spectrum=spectrum, channel=channel)
            recordings.append(recording)
    return recordings


def moment_ns(option: str, text: str, recordings: Sequence[Recording]) -> int:
    """UTC in ns of `2026-01-31T12:00:00Z`, or of a number of seconds after the first row of all."""
    try:
        seconds = float(text)
    except ValueError:
        return instant_ns(option, text)
    if not (math.isfinite(seconds) and abs(seconds) <= 1e10):
        raise BadInput(f"{option} {text}; limit: a UTC time, or seconds from the start")
    return min(each.start_ns for each in recordings) + round(seconds * NS_PER_S)
