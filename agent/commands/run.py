"""`bandwatch run`: the agent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ...config.loader import load, shipped
from ..stopping import stop_on_signals
from .sources import require_sources

ConfigOption = Annotated[
    Path | None, typer.Option("-c", "--config", metavar="FILE", help="Settings; see config/reference.yaml.")
]


def run_command(config: ConfigOption = None) -> None:
    """The agent: label, forecast, export. With no file: a simulated band and the shipped models.

    Example: bandwatch run -c /etc/bandwatch/bandwatch.yaml
    """
    from ..app import run

    settings = load(config or shipped("simulated.yaml"), os.environ)
    require_sources(settings, config)
    with stop_on_signals() as stop:
        run(settings, stop)
