"""Routes by node and band, each built from settings when its first frame arrives."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..config.schema import Settings, StreamSource
from ..models.bundle import Bundle
from ..pipeline.continuity import Continuity
from ..pipeline.histories import Histories
from ..pipeline.masks import Mask
from ..pipeline.steps import Steps
from ..pipeline.windows import Windower
from .route import BandRoute
from .telemetry import Telemetry

RADIO_DC_BINS = 3
# Of bands that nobody asked for, so many are told of: names from the network are without number.
MOST_TOLD = 64


class Routes:
    """The route of every band heard; with `only_configured`, bands that settings do not name have none.

    Rows of such bands are passed over; that they come is told once a band.
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

    def of(self, node: str, band: str) -> BandRoute | None:
        route = self._routes.get((node, band))
        if route is None and self._wants(node, band):
            route = self._routes[node, band] = self._build(node, band)
        if route is None and (node, band) not in self._passed_over and len(self._passed_over) < MOST_TOLD:
            self._passed_over.add((node, band))
            self._telemetry.bad_input(f"{node}/{band}: its rows arrive but no band of the settings is it")
        return route

    def _wants(self, node: str, band: str) -> bool:
        if self._only is None:
            return True
        return band in self._only and self._only[band] in (None, node)

    def _build(self, node: str, band: str) -> BandRoute:
        settings = self._settings.band(band)
        models = self._settings.models
        dc_bins = settings.mask.dc_bins
        if dc_bins is None:
            dc_bins = RADIO_DC_BINS if settings.source is not None and settings.source.kind == "radio" else 0
        return BandRoute(
            node,
            band,
            self._bundle,
            continuity=Continuity(
                on_bad_row=self._telemetry.bad_input,
                on_ignored=partial(self._telemetry.frame_ignored, node, band),
            ),
            mask=Mask(settings.mask.ranges_hz, dc_bins),
            windower=Windower(settings.segments.stride_rows),
            steps=Steps(settings.history.step_seconds),
            histories=Histories(settings.history.season_days),
            warm_up_windows=models.warm_up_windows,
            seed=models.seed,
            timed=self._telemetry.stage_timed,
            told=self._telemetry.bad_input,
        )


def _wanted(settings: Settings) -> Iterator[tuple[str, str | None]]:
    """Each configured band and its node, None where any node's will do."""
    for band in settings.bands:
        yield band.name, band.source.node if isinstance(band.source, StreamSource) else settings.node.name
