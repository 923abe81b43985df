"""A node without models: its sources to a socket, for agents elsewhere."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event

from ..config.schema import Settings
from ..pipeline.publisher import Publisher
from .core import Core
from .feeds import Feeds


def capture(settings: Settings, endpoint: str, stop: Event) -> None:
    """Publish what the node's own sources hear until `stop` is set."""
    with Core(settings, serve=False, show=False) as core, ExitStack() as parts:
        publisher = parts.enter_context(Publisher(endpoint, stop=stop))
        feeds = parts.enter_context(Feeds(settings, publisher, core.telemetry, stop))
        core.ready(feeds.rows, feeds.row_seconds)
        feeds.watch()
