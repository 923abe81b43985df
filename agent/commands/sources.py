"""What `run` needs of the sources that settings name, checked before anything is opened."""

from __future__ import annotations

from pathlib import Path

from ...config.loader import ConfigError
from ...config.schema import RadioSource, Settings
from ...pipeline.errors import BadInput
from ...pipeline.soapy_settings import device_arguments


def require_sources(settings: Settings, path: Path | None) -> None:
    """Raises ConfigError unless there is a band and each says where its rows come from."""
    where = path if path is not None else "settings"
    if not settings.bands:
        raise ConfigError(f"{where}: bands: must be given: at least one")
    for number, band in enumerate(settings.bands):
        key = f"{where}: bands[{number}].source"
        if band.source is None:
            raise ConfigError(f"{key}: must be given: a radio, a stream or the simulator")
        if isinstance(band.source, RadioSource):
            try:
                device_arguments(band.source.device)
            except BadInput as refusal:
                raise ConfigError(f"{key}.device: {refusal}") from None
