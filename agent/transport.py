"""The socket between an agent's sources and its routes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Literal

from ..config.schema import Settings, StreamSource
from ..pipeline.frames import Gap, PsdFrame
from ..pipeline.publisher import Publisher
from ..pipeline.subscriber import Subscriber
from .feeds import JOIN_SECONDS, Feed
from .intake import SocketIntake
from .telemetry import Telemetry

Through = Literal["direct", "ipc", "tcp"]
Frames = Iterator[PsdFrame | Gap]


@contextmanager
def local_endpoint() -> Iterator[str]:
    """An ipc endpoint of this process alone."""
    folder = Path(tempfile.mkdtemp(prefix="bandwatch-"))
    try:
        yield f"ipc://{folder}/frames"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_publisher(settings: Settings, stop: Event) -> Iterator[Publisher]:
    """What this node's own sources are heard by: at the endpoint of the settings, or at one of its own."""
    with ExitStack() as parts:
        endpoint = settings.transport.endpoint or parts.enter_context(local_endpoint())
        yield parts.enter_context(Publisher(endpoint, stop=stop))


@contextmanager
def subscribers_to(endpoint: str, settings: Settings, telemetry: Telemetry) -> Iterator[list[Subscriber]]:
    """Of this node's own socket and of every stream that the settings name."""
    streams = [band.source.endpoint for band in settings.bands if isinstance(band.source, StreamSource)]
    with ExitStack() as parts:
        yield [
            parts.enter_context(
                Subscriber(where, capacity=settings.transport.queue_frames, on_error=telemetry.decode_error)
            )
            for where in dict.fromkeys([endpoint, *streams])
        ]


@contextmanager
def recordings_over(
    through: Through, frames: Frames, telemetry: Telemetry, stop: Event
) -> Iterator[SocketIntake]:
    """Recordings through a real socket of this process, with back-pressure: nothing is lost."""
    with ExitStack() as parts:
        endpoint = parts.enter_context(local_endpoint()) if through == "ipc" else "tcp://127.0.0.1:*"
        publisher = parts.enter_context(
            Publisher(endpoint, pattern="push", stop=stop, linger_seconds=JOIN_SECONDS)
        )
        subscriber = parts.enter_context(
            Subscriber(publisher.endpoint, pattern="pull", on_error=telemetry.decode_error)
        )
        feed = Feed("replay", frames, publisher, stop, end=True).start()
        parts.callback(feed.join, JOIN_SECONDS)
        parts.callback(stop.set)
        yield SocketIntake([subscriber], check=feed.check, last_streams=feed.last_streams)
