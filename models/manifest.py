"""What a bundle says of itself: `manifest.yaml`, read with suspicion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ..pipeline.errors import BadInput
from ..pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB, WINDOW_BINS, WINDOW_ROWS
from .tensor_file import read_bytes

MANIFEST_FILE = "manifest.yaml"
VERSION = 1
KIND = "bandwatch-bundle"
WIDEST = 512

WINDOW = {
    "rows": WINDOW_ROWS,
    "bins": WINDOW_BINS,
    "below_floor_db": BELOW_FLOOR_DB,
    "above_floor_db": ABOVE_FLOOR_DB,
}

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """`width` of the encoder; `training` and `figures`, for people; `parts`: file -> SHA-256 in hex."""

    width: int
    parts: Mapping[str, str]
    training: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dimensions(self) -> int:
        """Features of a window."""
        return 8 * self.width

    @property
    def whitens(self) -> bool:
        """Whether components of its features are scaled to equal variance before k-means: where the encoder's
        own training did so (`docs/decisions/0002-pca-whitening.md`)."""
        return self.training.get("whitened") is True

    def text(self) -> str:
        """The file's content."""
        content = {
            "version": VERSION,
            "kind": KIND,
            "encoder": {"width": self.width, "dimensions": self.dimensions},
            "window": WINDOW,
            "training": dict(self.training),
            "figures": dict(self.figures),
            "parts": dict(sorted(self.parts.items())),
        }
        return yaml.safe_dump(content, sort_keys=False, width=100, allow_unicode=True)


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest; BadInput, one line, if this program cannot use what it describes."""
    if not folder.is_dir():
        raise BadInput(f"bundle {folder}: no such folder")
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise BadInput(f"bundle {folder}: has no {MANIFEST_FILE}")
    try:
        found = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadInput(f"{path}: not YAML") from None
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise BadInput(f"{path}: not a bundle's manifest")
    if found.get("version") != VERSION:
        raise BadInput(f"{path}: version {found.get('version')!r}, this program reads {VERSION}")
    width = _section(path, found, "encoder").get("width")
    if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= WIDEST:
        raise BadInput(f"{path}: encoder width is {width!r}, needs 1 to {WIDEST}")
    for name, ours in WINDOW.items():
        if (theirs := _section(path, found, "window").get(name)) != ours:
            raise BadInput(f"{path}: window {name} is {theirs!r}, this program cuts {ours:g}")
    parts = _section(path, found, "parts")
    for name, sha256 in parts.items():
        if not _is_inside(name) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise BadInput(f"{path}: part {name!r} is not a file of the bundle with its SHA-256")
    return Manifest(width, parts, _section(path, found, "training"), _section(path, found, "figures"))


def _section(path: Path, found: dict[str, Any], name: str) -> dict[str, Any]:
    section = found.get(name)
    if not isinstance(section, dict):
        raise BadInput(f"{path}: has no section {name!r}")
    return section


def _is_inside(name: object) -> bool:
    """Whether a part's name is a path that stays within its folder."""
    if not isinstance(name, str) or not name or "\\" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
