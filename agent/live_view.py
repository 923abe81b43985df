"""The agent's state on a terminal, redrawn three times a second below the log lines."""

from __future__ import annotations

import threading

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from .lines_above import LinesAbove
from .status import StatusBoard
from .status_table import draw

REDRAW_SECONDS = 1 / 3
# The terminal echoes ^C behind the last line; without room for it the line breaks and leaves a copy behind.
ECHO_COLUMNS = 2


class LiveView:
    """Draws the board on a terminal from `start` to `stop`; on anything else it does nothing.

    Meanwhile whatever is written to `sys.stdout` or `sys.stderr`, where that is a terminal, is printed
    above the view.
    """

    def __init__(self, board: StatusBoard, url: str | None, console: Console | None = None) -> None:
        self._board = board
        self._url = url
        self._console = console or Console()
        self._above = LinesAbove()
        self._ended = threading.Event()
        self._live: Live | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to draw."""
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        # The console must keep the true stream when `sys.stdout` becomes another.
        self._console.file = self._console.file
        self._live = Live(
            get_renderable=self._draw,
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        self._above.stand_in()
        self._thread = threading.Thread(target=self._run, args=(self._live,), name="live view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Draw once more and leave the last state standing. Calling it again does nothing."""
        if self._live is None or self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        for line in self._above.drain(everything=True):
            self._console.print(Text.from_ansi(line))
        self._live.stop()
        self._live = self._thread = None

    def _run(self, live: Live) -> None:
        try:
            live.refresh()
            while not self._ended.wait(REDRAW_SECONDS):
                for line in self._above.drain():
                    self._console.print(Text.from_ansi(line))
                live.refresh()
        finally:
            self._above.step_aside()

    def _draw(self) -> RenderableType:
        return draw(self._board.snapshot(), self._url, self._console.width - ECHO_COLUMNS)
