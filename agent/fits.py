"""The fits of the default forecaster that a running agent keeps, by band."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from ..models.forecast_fit import FIT_FILE, PART_PREFIX, Fit, load_fit
from ..pipeline.errors import BadInput

FITS_FOLDER = "forecast"
MOST_KEPT = 4


class Fits:
    """`<store>/forecast/<node>/<band>/<key>/`; each band's newest stay, for states that name them.

    The fit that was read last of each band is remembered, so that the loop need not wait for the disk. Safe
    to call from several threads.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / FITS_FOLDER
        self._remembered: dict[tuple[str, str], Fit] = {}

    def folder(self, node: str, band: str) -> Path:
        return self._directory / node / band

    def load(self, node: str, band: str, key: str) -> Fit:
        """BadInput where it is gone or damaged."""
        known = self._remembered.get((node, band))
        if known is not None and known.key == key:
            return known
        if Path(key).name != key:
            raise BadInput(f"fit {key!r:.40} of {node}/{band}; limit: the name of a folder")
        fit = load_fit(self.folder(node, band) / key)
        if (fit.node, fit.band) != (node, band):
            raise BadInput(f"fit {key} is of {fit.node}/{fit.band}, needs {node}/{band}")
        self._remembered[node, band] = fit
        return fit

    def tidy(self, node: str, band: str) -> None:
        """Let go of all but the newest fits of a band, and of what a kill has left half written."""
        folder = self.folder(node, band)
        for part in folder.glob(f"{PART_PREFIX}*"):
            shutil.rmtree(part, ignore_errors=True)
        ages: list[tuple[float, Path]] = []
        for path in folder.glob(f"*/{FIT_FILE}"):
            with suppress(OSError):
                ages.append((path.stat().st_mtime, path.parent))
        for _, path in sorted(ages)[:-MOST_KEPT]:
            shutil.rmtree(path, ignore_errors=True)
