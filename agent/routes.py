"""Routes by node and band, each built from settings when its first frame arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ..config.schema import Band, Settings, StreamSource
from ..models.bundle import Bundle
from ..pipeline.continuity import Continuity
from ..pipeline.histories import Histories
from ..pipeline.masks import Mask
from ..pipeline.state import State
from ..pipeline.steps import Steps
from ..pipeline.windows import Windower
from .fits import Fits
from .labels import Labels
from .route import BandRoute, Seen
from .state import settings_of
from .telemetry import Telemetry

RADIO_DC_BINS = 3
# Of bands that nobody asked for, so many are told of: names from the network are without number.
MOST_TOLD = 64
# Where the settings leave the node open, anyone on the network may name one: some tens of MB each.
MOST_ROUTES = 256
_WINDOWS_COST = ("embed", "assign")


class Routes:
    """The route of every band heard; with `only_configured`, bands that settings do not name have none.

    Rows of such bands, and of more than 256 bands, are passed over; that they come is told once a band.
    """

    def __init__(
        self, settings: Settings, bundle: Bundle, telemetry: Telemetry, *, only_configured: bool
    ) -> None:
        self._settings = settings
        self._bundle = bundle
        self._telemetry = telemetry
        self._only = dict(_wanted(settings)) if only_configured else None
        self._routes: dict[tuple[str, str], BandRoute] = {}
        self._passed_over: set[tuple[str, str]] = set()
        self.spent: Callable[[str, str, float], None] | None = None
        """Hears how long each moment's windows of a band took."""
        self.fits: Fits | None = None
        """Where the default forecaster of bands that come from now on is kept; without, they have none."""
        self.seen: Seen | None = None
        """Hears of the windows of bands that come from now on, and their labels."""

    def __iter__(self) -> Iterator[BandRoute]:
        return iter(list(self._routes.values()))

    def of(self, node: str, band: str) -> BandRoute | None:
        """The route of a band, new if it must be; None where nobody asked for the band."""
        route = self._routes.get((node, band))
        if route is not None:
            return route
        if not self.wants(node, band):
            self._pass_over(node, band, "no band of the settings is it")
        elif len(self._routes) >= MOST_ROUTES:
            self._pass_over(node, band, f"there are {MOST_ROUTES} bands already; limit: {MOST_ROUTES}")
        else:
            route = self._routes[node, band] = self.detached(node, band)
            route.seen = self.seen
        return route

    def _pass_over(self, node: str, band: str, reason: str) -> None:
        if (node, band) not in self._passed_over and len(self._passed_over) < MOST_TOLD:
            self._passed_over.add((node, band))
            self._telemetry.bad_input(f"{node}/{band}: its rows arrive but {reason}")

    def forget(self, node: str, band: str) -> None:
        """The band begins anew with its next row."""
        self._routes.pop((node, band), None)

    def wants(self, node: str, band: str) -> bool:
        """Whether a band is to have a route."""
        if self._only is None:
            return True
        return band in self._only and self._only[band] in (None, node)

    def use_settings(self, settings: Settings) -> None:
        """Bands that come from now on have these settings; those there are keep their parts."""
        self._settings = settings

    def use_bundle(self, bundle: Bundle) -> None:
        """Bands that come from now on are labelled by this bundle."""
        self._bundle = bundle

    def stride_rows(self, band: str) -> int:
        """Rows between windows as the settings have it."""
        return self._settings.band(band).segments.stride_rows

    def settings_of(self, band: str) -> State:
        """The settings that a band's state rests on."""
        return settings_of(self._settings.band(band), self._settings.models)

    def labels(self, node: str, band: str, bundle: Bundle | None = None) -> Labels:
        """New labels of a band, by this bundle or the one in use."""
        settings = self._settings.band(band)
        models = self._settings.models
        return Labels(
            node,
            band,
            bundle or self._bundle,
            warm_up_windows=models.warm_up_windows,
            seed=models.seed,
            stride_rows=settings.segments.stride_rows,
            timed=partial(self._timed, node, band),
            told=self._telemetry.bad_input,
        )

    def detached(self, node: str, band: str, bundle: Bundle | None = None) -> BandRoute:
        """A new route of a band that is not in the books."""
        settings = self._settings.band(band)
        return BandRoute(
            self.labels(node, band, bundle),
            continuity=Continuity(
                on_bad_row=self._telemetry.bad_input,
                on_ignored=partial(self._telemetry.frame_ignored, node, band),
            ),
            mask=mask_of(settings),
            windower=Windower(settings.segments.stride_rows),
            steps=Steps(settings.history.step_seconds),
            histories=Histories(settings.history.season_days),
            fits=self.fits,
            idle_margin_db=settings.history.idle_margin_db,
        )

    def _timed(self, node: str, band: str, stage: str, seconds: float) -> None:
        self._telemetry.stage_timed(stage, seconds)
        if stage in _WINDOWS_COST and self.spent is not None:
            self.spent(node, band, seconds)


def mask_of(band: Band) -> Mask:
    """The bins nobody wants to hear of; of a radio also those around its own frequency."""
    return Mask(band.mask.ranges_hz, dc_bins_of(band))


def dc_bins_of(band: Band) -> int:
    """How many bins around the tuned frequency are the receiver's own."""
    if band.mask.dc_bins is not None:
        return band.mask.dc_bins
    return RADIO_DC_BINS if band.source is not None and band.source.kind == "radio" else 0


def _wanted(settings: Settings) -> Iterator[tuple[str, str | None]]:
    """Each configured band and its node, None where any node's will do."""
    for band in settings.bands:
        yield band.name, band.source.node if isinstance(band.source, StreamSource) else settings.node.name
