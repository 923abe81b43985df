"""What survives a restart: one file a band and bundle, replaced whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..config.schema import Band, Models
from ..pipeline.errors import BadInput
from ..pipeline.state import State, read_state, write_state

STATES_FOLDER = "state"
SUFFIX = ".state"
BUNDLE_LETTERS = 12  # of a bundle's hash: its name
OTHER_BUNDLES_KEPT_SECONDS = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A band's state, the last journal entry in it, and whether its labels are those of this bundle."""

    node: str
    band: str
    entry: int
    state: State
    same_bundle: bool


def state_file(directory: Path, bundle: str, node: str, band: str) -> Path:
    """Where a state directory keeps a band's state by a bundle, given by its hash or its name."""
    return directory / STATES_FOLDER / bundle[:BUNDLE_LETTERS] / node / f"{band}{SUFFIX}"


class StateFolder:
    """`<store>/state/<bundle>/<node>/<band>.state`.

    Of another bundle everything but the labels can still be used. `told` hears of files that cannot be.
    """

    def __init__(self, directory: Path, bundle: str, told: Callable[[str], None]) -> None:
        self._directory = directory
        self._folder = directory / STATES_FOLDER
        self._bundle = bundle[:BUNDLE_LETTERS]
        self._told = told

    def write(self, node: str, band: str, entry: int, settings: State, state: State) -> int:
        """Replace a band's file; its size in bytes. OSError as the system gives it."""
        path = state_file(self._directory, self._bundle, node, band)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {"node": node, "band": band, "entry": entry, "settings": settings, "state": state}
        return write_state(path, whole)

    def read(self, node: str, band: str, settings: State) -> Kept | None:
        """The newest state of a band, whichever bundle's; None without one that the settings allow."""
        paths = self._folder.glob(f"*/{node}/{band}{SUFFIX}")
        found = [whole for path in paths if (whole := self._whole(path)) is not None]
        return self._allowed(
            max(found, key=lambda each: (each[0].entry, each[0].same_bundle), default=None), settings
        )

    def read_own(self, node: str, band: str, settings: State) -> Kept | None:
        """The state of a band that was kept with this bundle, however old; None as in `read`."""
        path = state_file(self._directory, self._bundle, node, band)
        return self._allowed(self._whole(path) if path.is_file() else None, settings)

    def _allowed(self, found: tuple[Kept, State] | None, settings: State) -> Kept | None:
        if found is None or found[1] == settings:
            return None if found is None else found[0]
        kept = found[0]
        self._told(f"{kept.node}/{kept.band}: its settings are others than before; its rows are read again")
        return None

    def _whole(self, path: Path) -> tuple[Kept, State] | None:
        """A file's state, and the settings that it rests on; what is damaged is set aside."""
        try:
            whole = read_state(path)
            same = path.parents[1].name == self._bundle
            kept = Kept(whole["node"], whole["band"], int(whole["entry"]), whole["state"], same)
            return kept, whole["settings"]
        except (BadInput, KeyError, TypeError, ValueError) as error:
            refusal = error if isinstance(error, BadInput) else f"{path}: not a band's state: {error!r}"
            self._told(f"{refusal}; it is left aside")
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.damaged"))
        return None

    def bands(self) -> list[tuple[str, str]]:
        """(node, band) of every state, of whichever bundle."""
        found = self._folder.glob(f"*/*/*{SUFFIX}")
        return sorted({(path.parent.name, path.name.removesuffix(SUFFIX)) for path in found})

    def tidy(self) -> None:
        """Let go of states of other bundles that nobody has needed for a month, and of what a kill has left
        half written. Not while another writes."""
        for part in self._folder.glob("*/*/.*.part"):
            with suppress(OSError):
                part.unlink()
        before = time.time() - OTHER_BUNDLES_KEPT_SECONDS
        for path in self._folder.glob(f"*/*/*{SUFFIX}*"):
            if path.parents[1].name != self._bundle:
                with suppress(OSError):
                    if path.stat().st_mtime < before:
                        path.unlink()


def settings_of(band: Band, models: Models) -> State:
    """The settings that a band's state rests on: with others its rows mean something else."""
    return {
        "mask_hz": [list(each) for each in band.mask.ranges_hz],
        "dc_bins": band.mask.dc_bins,
        "stride_rows": band.segments.stride_rows,
        "step_seconds": band.history.step_seconds,
        "season_days": band.history.season_days,
        "warm_up_windows": models.warm_up_windows,
        "seed": models.seed,
    }
