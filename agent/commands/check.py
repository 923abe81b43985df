"""`bandwatch check`: is this configuration right?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ...config.loader import load
from ...config.schema import Settings, StreamSource


def check_command(
    config: Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The settings to check.")],
) -> None:
    """Read settings as `run` would, load the models they name, and say what the agent would do.

    Nothing is opened: no radio, no socket. Exit code 2 and a line for each mistake.

    Example: bandwatch check -c bandwatch.yaml
    """
    from ...models.bundle import Bundle, shipped_bundle

    settings = load(config, os.environ)
    models = settings.models
    path = shipped_bundle() if models.bundle == "shipped" else models.bundle.expanduser()
    bundle = Bundle.load(path, device=models.device, threads=models.threads)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{config}: right")
    console.print(f"  node    {settings.node.name}")
    for band in settings.bands:
        source = f"{band.source.kind} {_where(band.source)}".rstrip() if band.source else "no source"
        own = "has a model" if bundle.band_model(settings.node.name, band.name) else "warms up its own model"
        console.print(f"  band    {band.name}: {source}; {own}")
    console.print(f"  models  {bundle.name} on {bundle.device} ({path})")
    console.print(f"  serves  {_server(settings)}")
    console.print(f"  store   {settings.store.directory.expanduser()}")


def _where(source: object) -> str:
    if isinstance(source, StreamSource):
        return source.endpoint
    return getattr(source, "device", "")


def _server(settings: Settings) -> str:
    server = settings.server
    return f"http://{server.host}:{server.port}" if server.enabled else "nothing"
