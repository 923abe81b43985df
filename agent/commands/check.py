"""`bandwatch check`: is this configuration right?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ...config.loader import load
from ...config.schema import Settings, StreamSource
from .sources import require_sources


def check_command(
    config: Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The settings to check.")],
) -> None:
    """Read settings as `run` would, load the models they name, and say what the agent would do.

    Nothing is opened, no radio and no socket: whether a device is there and takes its settings, only `run`
    can tell. Exit code 2 and a line for each mistake.

    Example: bandwatch check -c bandwatch.yaml
    """
    from ...models.bundle import Bundle
    from ..learned import bundle_path

    settings = load(config, os.environ)
    require_sources(settings, config)
    models = settings.models
    path = bundle_path(models)
    bundle = Bundle.load(path, device=models.device, threads=models.threads)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{config}: right")
    console.print(f"  node    {settings.node.name}")
    for band in settings.bands:
        source = f"{band.source.kind} {_where(band.source)}".rstrip() if band.source else "no source"
        node = band.source.node if isinstance(band.source, StreamSource) else settings.node.name
        own = "has a model" if (node, band.name) in bundle.bands() else "warms up its own model"
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
