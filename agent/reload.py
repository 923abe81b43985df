"""SIGHUP: settings and bundle are read again, and what can change while rows arrive does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from threading import Event
from typing import Any

from ..config.loader import ConfigError
from ..config.schema import Band, Settings
from ..models.bundle import Bundle
from ..pipeline.errors import BadInput
from .bundle_switch import BundleSwitch
from .core import Core
from .learned import bundle_hash
from .memory import Memory
from .notes import STRIDE
from .outputs import Fitted, Unfitted
from .route import BandRoute
from .routes import Routes, mask_of

CHANGEABLE = (
    "logging.level",
    "models.bundle",
    "store.flush_seconds",
    "store.most_bytes",
    "store.most_days",
    "store.keep_free_bytes",
)
CHANGEABLE_OF_A_BAND = ("segments.stride_rows", "mask.ranges_hz", "mask.dc_bins")


class Reload:
    """Looks at `asked` once a turn of the loop.

    Settings that cannot be read change nothing. Of those that can, a setting that needs a restart stays as
    it is and is named; the others hold from the next row on. A bundle of another hash, at the same path or
    another, is loaded and fitted beside the loop, which goes on with the old one until it is ready.
    """

    def __init__(
        self,
        asked: Event,
        read: Callable[[], Settings],
        settings: Settings,
        bundle: Bundle,
        core: Core,
        routes: Routes,
        memory: Memory,
    ) -> None:
        self._asked = asked
        self._read = read
        self._settings = settings
        self.bundle = bundle
        self._level = core.log_level
        self._routes = routes
        self._memory = memory
        self._telemetry = core.telemetry
        self._switch: BundleSwitch | None = None
        self._asked_for_another = False

    @property
    def loading(self) -> bool:
        """Whether another bundle is on its way."""
        return self._switch is not None

    def turn(self) -> list[Fitted | Unfitted]:
        """Do what was asked for, if anything was; outputs are what changed of the bands' models."""
        if self._asked.is_set():
            self._asked.clear()
            self._begin()
        if self._switch is None or not self._switch.finished:
            return []
        switch, self._switch = self._switch, None
        outputs: list[Fitted | Unfitted] = []
        try:
            outputs = switch.finish()
        except BadInput as refusal:
            self._telemetry.reload_refused(f"{refusal}; the bundle stays {self.bundle.name}")
        else:
            self.bundle = switch.bundle
            self._memory.tell("reloaded", taken=[f"bundle {self.bundle.name}"], kept=[])
        if self._asked_for_another:
            self._asked_for_another = False
            self._switch_bundle(self._settings)
        return outputs

    def close(self) -> None:
        """Wait for no bundle any more."""
        if self._switch is not None:
            self._switch.abandon()

    def _begin(self) -> None:
        try:
            wanted = self._read()
        except (ConfigError, BadInput) as refusal:
            self._telemetry.reload_refused(f"{'; '.join(str(refusal).splitlines())}; nothing has changed")
            return
        changed = dict(_changes(self._settings, wanted))
        taken = sorted(key for key in changed if _can_change(key))
        kept = sorted(changed.keys() - set(taken))
        settings = _merged(self._settings, wanted)
        try:
            for route in self._routes:
                route.use_mask(mask_of(settings.band(route.band)))
        except BadInput as refusal:
            for route in self._routes:
                route.use_mask(mask_of(self._settings.band(route.band)))
            self._telemetry.reload_refused(f"{refusal}; nothing has changed")
            return
        before, self._settings = self._settings, settings
        self._level.level = settings.logging.level
        self._routes.use_settings(settings)
        for route in self._routes:
            self._use_stride(route, before)
        self._memory.use_settings(settings)
        self._memory.want_states()
        self._telemetry.reloaded(taken, [f"{key} ({changed[key]})" for key in kept])
        self._memory.tell("reloaded", taken=taken, kept=kept)
        self._switch_bundle(settings)

    def _use_stride(self, route: BandRoute, before: Settings) -> None:
        """A stride that stays the same may have been raised by load: it stays raised."""
        rows = self._routes.stride_rows(route.band)
        if rows != before.band(route.band).segments.stride_rows:
            route.stride_rows = rows
            self._memory.tell(STRIDE, route.node, route.band, rows=rows)

    def _switch_bundle(self, settings: Settings) -> None:
        if self._switch is not None:  # once that is in use
            self._asked_for_another = True
            return
        try:
            if bundle_hash(settings.models) == self.bundle.hash:
                return
        except BadInput as refusal:
            self._telemetry.reload_refused(f"{refusal}; the bundle stays {self.bundle.name}")
            return
        self._switch = BundleSwitch(settings, self._routes, self._memory, self._telemetry)
        self._switch.start()


def _can_change(key: str) -> bool:
    band, _, rest = key.partition("].")
    return rest in CHANGEABLE_OF_A_BAND if band.startswith("bands[") else key in CHANGEABLE


def _changes(before: Settings, after: Settings) -> Iterator[tuple[str, str]]:
    """Each key that differs, and how; bands go by their names."""
    names, names_after = ({band.name for band in each.bands} for each in (before, after))
    yield from ((f"bands[{name}]", "is gone") for name in sorted(names - names_after))
    yield from ((f"bands[{name}]", "is new") for name in sorted(names_after - names))
    old, new = (_flat(each, names & names_after) for each in (before, after))
    for key in sorted(old.keys() | new.keys()):
        if key not in new:
            yield key, "is gone"
        elif key not in old:
            yield key, "is new"
        elif old[key] != new[key]:
            yield key, f"{old[key]}, not {new[key]}"


def _flat(settings: Settings, names: Collection[str]) -> dict[str, Any]:
    plain = settings.model_dump()
    bands = {f"bands[{band.pop('name')}]": band for band in plain.pop("bands")}
    kept = {f"bands[{name}]": bands[f"bands[{name}]"] for name in names}
    return dict(_leaves(plain, "")) | dict(_leaves(kept, ""))


def _leaves(plain: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in plain.items():
        where = f"{path}.{key}" if path else key
        if isinstance(value, dict) and value:
            yield from _leaves(value, where)
        else:
            yield where, value


def _merged(before: Settings, after: Settings) -> Settings:
    """The settings of before with what can change as it is in `after`; a band that is gone stays as it is."""
    bands = {band.name: band for band in after.bands}
    return before.model_copy(
        update={
            "bands": tuple(_merged_band(band, bands.get(band.name, band)) for band in before.bands),
            "logging": before.logging.model_copy(update={"level": after.logging.level}),
            "models": before.models.model_copy(update={"bundle": after.models.bundle}),
            "store": after.store.model_copy(
                update={"directory": before.store.directory, "enabled": before.store.enabled}
            ),
        }
    )


def _merged_band(before: Band, after: Band) -> Band:
    return before.model_copy(update={"segments": after.segments, "mask": after.mask})
