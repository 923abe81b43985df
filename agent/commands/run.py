"""`bandwatch run`: the agent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ...config.loader import load, shipped
from ...config.schema import Settings
from ..stopping import reload_on_hangup, stop_on_signals
from .sources import require_sources

ConfigOption = Annotated[
    Path | None, typer.Option("-c", "--config", metavar="FILE", help="Settings; see config/reference.yaml.")
]


def run_command(config: ConfigOption = None) -> None:
    """The agent: label, forecast, export. With no file: a simulated band and the shipped models.

    SIGHUP reads the settings and the bundle again.

    Example: bandwatch run -c /etc/bandwatch/bandwatch.yaml
    """
    from ..app import run

    def read() -> Settings:
        settings = load(config or shipped("simulated.yaml"), os.environ)
        require_sources(settings, config)
        return settings

    settings = read()
    with stop_on_signals() as stop, reload_on_hangup(stop) as reload:
        run(settings, stop, reload=reload, read=read)
