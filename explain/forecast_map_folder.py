"""A forecast map as a folder: facts, arrays and a picture, there whole or not at all; and read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..models.tensor_file import write_tensors
from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S
from .live_forecast_figure import draw_forecast_map
from .live_forecast_map import ForecastMap
from .live_forecast_words import NEWEST_ROWS, MapWords, map_words
from .published import FACTS, plain, publish_folder

ARRAYS, PICTURE = "arrays.safetensors", "forecast-map.png"
VERSION = 1
_KIND = "forecast map"
_MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class PublishedMap:
    """What metrics and people are told of a published map; `ranges` of frequencies, greatest share first."""

    folder: str
    made_ns: int
    model: str
    measure: str
    windows: int
    rows: int
    first_ns: int
    last_ns: int
    tenth_ratio: float | None
    newest_ratio: float | None
    ranges: tuple[tuple[float, float, float], ...]
    """Low and high, Hz, and the share."""
    sentence: str


def publish_map(folder: Path, found: ForecastMap, about: Mapping[str, Any], made_ns: int) -> Path:
    """Write it into a new folder below `folder` (`publish_folder`); `about` are the asker's facts."""
    words = map_words(found)
    facts = {"version": VERSION, "kind": _KIND, **about, "made_ns": made_ns, **_facts(found, words)}

    def write(part: Path) -> None:
        (part / FACTS).write_text(json.dumps(plain(facts), indent=1, allow_nan=False))
        write_tensors(
            part / ARRAYS,
            {
                "map": found.map,
                "values": found.table.values,
                "end_ns": found.table.end_ns,
                "frequencies_hz": found.table.frequencies_hz,
                "by_frequency": found.by_frequency,
                "by_step": found.by_step,
                "by_hour": found.hours.share,
            },
        )
        draw_forecast_map(found, words).savefig(part / PICTURE, dpi=110)

    return publish_folder(folder, write, made_ns)


def read_map(published: Path) -> PublishedMap:
    """What a published map says; BadInput, one line, where it is not one or a file of it is gone."""
    path = published / FACTS
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadInput(f"{path}: {path.stat().st_size} bytes; limit: {_MOST_BYTES}")
        facts = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: cannot be read: {error}") from None
    if not isinstance(facts, dict) or (facts.get("kind"), facts.get("version")) != (_KIND, VERSION):
        raise BadInput(f"{path}: not a forecast map of version {VERSION}")
    for name in (ARRAYS, PICTURE):
        if not (published / name).is_file():
            raise BadInput(f"{published / name}: is gone")
    try:
        return PublishedMap(
            folder=str(published),
            made_ns=int(facts["made_ns"]),
            model=str(facts["model"]),
            measure=str(facts["measure"]),
            windows=int(facts["windows"]),
            rows=int(facts["rows"]),
            first_ns=int(facts["first_ns"]),
            last_ns=int(facts["last_ns"]),
            tenth_ratio=_ratio(facts["tenth_ratio"]),
            newest_ratio=_ratio(facts["newest_ratio"]),
            ranges=tuple(
                (float(each["low_hz"]), float(each["high_hz"]), float(each["share"]))
                for each in facts["ranges"]
            ),
            sentence=" ".join(str(facts["words"][name]) for name in ("frequencies", "back", "hours")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: not a forecast map: {error!r}") from None


def _facts(found: ForecastMap, words: MapWords) -> dict[str, Any]:
    table = found.table
    known = bool(np.isfinite(found.hours.share).any())
    return {
        "model": found.model,
        "measure": found.measure,
        "unit": "evidence, scaled" if found.measure == "Grad-CAM" else table.unit,
        "windows": found.windows,
        "columns_at_once": found.columns_at_once,
        "rows": len(table.values),
        "step_s": table.step_s,
        "first_ns": int(table.end_ns[0]) - round(table.step_s * NS_PER_S),
        "last_ns": int(table.end_ns[-1]),
        "tenth_ratio": words.tenth_ratio,
        "newest_rows": NEWEST_ROWS,
        "newest_ratio": words.newest_ratio,
        "ranges": [asdict(each) for each in words.ranges],
        "by_step": found.by_step,
        "by_hour": found.hours.share if known else None,
        "words": {
            "measured": words.measured,
            "frequencies": words.frequencies,
            "back": words.back,
            "hours": words.hours,
        },
    }


def _ratio(value: Any) -> float | None:
    return None if value is None else float(value)
