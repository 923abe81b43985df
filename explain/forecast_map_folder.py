"""A forecast map as a folder: facts, arrays and a picture, there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..models.tensor_file import write_tensors
from ..pipeline.frames import NS_PER_S
from .live_forecast_figure import draw_forecast_map
from .live_forecast_map import ForecastMap
from .live_forecast_words import NEWEST_ROWS, MapWords, map_words
from .published import FACTS, plain, publish_folder
from .published_map import ARRAYS, GRAD_CAM, KIND, PICTURE, VERSION


def publish_map(folder: Path, found: ForecastMap, about: Mapping[str, Any], made_ns: int) -> Path:
    """Write it into a new folder below `folder` (`publish_folder`); `about` are the asker's facts."""
    words = map_words(found)
    facts = {"version": VERSION, "kind": KIND, **about, "made_ns": made_ns, **_facts(found, words)}

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


def _facts(found: ForecastMap, words: MapWords) -> dict[str, Any]:
    table = found.table
    known = bool(np.isfinite(found.hours.share).any())
    return {
        "model": found.model,
        "measure": found.measure,
        "unit": "evidence, scaled" if found.measure == GRAD_CAM else table.unit,
        "windows": found.windows,
        "columns_at_once": found.columns_at_once,
        "columns_apart": found.columns_apart,
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
