"""What the messages of NIST's sensors say that is for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def notes_of(said: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """(name, value) from the first message of each kind; the sensor's key is not among them."""
    data, system, place = said["Data"], said.get("Sys", {}), said.get("Loc", {})
    processed = str(data.get("Processed")).lower() == "true"
    yield "power at", "output of an isotropic antenna" if processed else "input of the sensor"
    measured, device, antenna = data.get("mPar"), system.get("COTSsensor"), system.get("Antenna")
    for name, fields, keys in (
        ("detector", measured, ("Det",)),
        ("measurement", data, ("mType",)),
        ("made to detect", data, ("Sys2Detect",)),
        ("noise, dBm", data, ("wnI",)),
        ("sensor", device, ("Model",)),
        ("antenna", antenna, ("Model",)),
        ("latitude, longitude, height", place, ("Lat", "Lon", "Alt")),
        ("comment", data, ("Comment",)),
    ):
        texts = [text_of(fields.get(key)) for key in keys] if isinstance(fields, dict) else []
        if any(texts):
            yield name, ", ".join(texts)


def text_of(value: object) -> str:
    """What a field says on one line; empty where it says that there is nothing."""
    text = "" if value is None else " ".join(str(value).split())[:200]
    return "" if text.lower() in ("nan", "n/a", "none") else text
