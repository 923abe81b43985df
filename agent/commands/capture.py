"""`bandwatch capture`: radio to ZeroMQ."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ...config.loader import ConfigError, load
from ...config.schema import StreamSource
from ..stopping import stop_on_signals


def capture_command(
    config: Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="Settings with the radios.")],
) -> None:
    """Publish what this node's radios hear as rows on transport.endpoint, for agents elsewhere.

    Example: bandwatch capture -c capture.yaml
    """
    from ..capturing import capture

    settings = load(config, os.environ)
    if settings.transport.endpoint is None:
        raise ConfigError(
            f"{config}: transport.endpoint: must be given: where to publish, tcp://0.0.0.0:9745"
        )
    if not any(band.source and not isinstance(band.source, StreamSource) for band in settings.bands):
        raise ConfigError(
            f"{config}: bands: at least one needs a source of its own: a radio or the simulator"
        )
    with stop_on_signals() as stop:
        capture(settings, settings.transport.endpoint, stop)
