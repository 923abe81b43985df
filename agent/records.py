"""Results as JSON Lines: one record a line, one last summary."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S, Assignment, Float32, Forecast, Gap, LevelledRow, Verdict
from .failure import Failure
from .outputs import Discarded, Output

DECIMALS = 4


class Records:
    """Sink that writes `window`, `forecast`, `verdict` and `gap` records and counts for the `summary`.

    The file comes into being under a temporary name and takes its own when closed without an error: a
    killed replay leaves no file that looks whole. One that was stopped says so: its summary has `complete`
    false. With `path` None it only counts. `seconds` of the summary is the time that the rows cover, so
    that two replays of a recording write the same bytes. Raises Failure where the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._partial = _partial_of(path)
        try:
            self._file = self._partial.open("wb") if self._partial is not None else None
        except OSError as error:
            raise BadInput(f"{path}: cannot be written: {error.strerror}") from None
        self._counts: Counter[str] = Counter()
        self._discarded: Counter[str] = Counter()
        self._covered_ns = 0
        self._clusters: set[tuple[str, str, int]] = set()
        self.complete = True

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None or self._partial is None or self._path is None:
            return
        whole = False
        try:
            if kind is None:
                self._write({"kind": "summary", **self.summary()})
            self._file.close()
            whole = kind is None
        except OSError as full:
            # Where writing failed already, closing fails for the same reason.
            if kind is None:
                raise Failure(f"{self._path}: cannot be written: {full.strerror}") from None
        finally:
            if self._partial != self._path:
                if whole:
                    self._partial.replace(self._path)
                else:
                    self._partial.unlink(missing_ok=True)

    @property
    def clusters(self) -> int:
        """How many different clusters were given."""
        return len(self._clusters)

    def summary(self) -> dict[str, Any]:
        return {
            "rows": self._counts["rows"],
            "windows": self._counts["windows"],
            "forecasts": self._counts["forecasts"],
            "gaps": self._counts["gaps"],
            "rows_lost": self._counts["rows_lost"],
            "windows_discarded": dict(sorted(self._discarded.items())),
            "seconds": round(self._covered_ns / NS_PER_S, 6),
            "complete": self.complete,
        }

    def take(self, item: Output) -> None:
        match item:
            case LevelledRow():
                self._counts["rows"] += 1
                self._covered_ns += item.frame.duration_ns
            case Assignment():
                self._counts["windows"] += 1
                if item.cluster is not None:
                    self._clusters.add((item.node, item.band, item.cluster))
                self._write(_window(item))
            case Forecast():
                self._counts["forecasts"] += 1
                self._write(_forecast(item))
            case Verdict():
                self._write(_verdict(item))
            case Gap():
                self._counts["gaps"] += 1
                self._counts["rows_lost"] += item.lost_rows or 0
                self._write(_gap(item))
            case Discarded():
                self._discarded[item.reason] += item.windows
            case _:
                pass

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(self._encoder.encode(record) + b"\n")
        except OSError as full:
            raise Failure(f"{self._path}: cannot be written: {full.strerror}") from None


def _partial_of(path: Path | None) -> Path | None:
    """Where to write first; a pipe, a device or a folder (which is refused) has no other name."""
    if path is None or (path.exists() and not path.is_file()):
        return path
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def _window(item: Assignment) -> dict[str, Any]:
    return {
        "kind": "window",
        "node": item.node,
        "band": item.band,
        "segment": item.segment,
        "start_ns": item.start_ns,
        "end_ns": item.end_ns,
        "cluster": item.cluster,
        "distance": item.distance,
        "novelty": item.novelty,
        "model": item.model,
    }


def _forecast(item: Forecast) -> dict[str, Any]:
    return {
        "kind": "forecast",
        "node": item.node,
        "band": item.band,
        "made_ns": item.made_ns,
        "step_s": item.step_s,
        "frequencies_hz": item.frequencies_hz.tolist(),
        "mean": _rounded(item.mean),
        "low": _rounded(item.low),
        "high": _rounded(item.high),
        "idle": None if item.idle is None else _rounded(item.idle),
        "idle_below_db": item.idle_below_db,
        "model": item.model,
    }


def _rounded(values: Float32) -> list[list[float]]:
    """Four decimals of a dB are enough, and half the bytes; NaN becomes null."""
    return np.round(values.astype(np.float64), DECIMALS).tolist()


def _verdict(item: Verdict) -> dict[str, Any]:
    return {
        "kind": "verdict",
        "node": item.node,
        "band": item.band,
        "segment": item.segment,
        "time_ns": item.time_ns,
        "state": item.state,
        "score": item.score,
        "reasons": item.reasons,
    }


def _gap(item: Gap) -> dict[str, Any]:
    return {
        "kind": "gap",
        "node": item.node,
        "band": item.band,
        "time_ns": item.time_ns,
        "after_seq": item.after_seq,
        "lost_rows": item.lost_rows,
        "lost_samples": item.lost_samples,
        "reason": item.reason,
    }
