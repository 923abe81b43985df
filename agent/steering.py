"""What acts on the routes between rows: people's words, the load, and settings that are read again."""

from __future__ import annotations

from collections.abc import Sequence

from .explainer import Explainer
from .forecast_explainer import ForecastExplainer
from .intake import Intake
from .memory import Memory
from .mutings import Mutings
from .notes import FORECAST_EXPLAINED, STRIDE
from .outputs import Output
from .refitter import Refitter
from .reload import Reload
from .routes import Routes
from .shedding import BandStride, Shedding


class Steering:
    """Called by the loop: `turn` between rows, `give` for outputs of a band before the sinks have them."""

    def __init__(
        self,
        intake: Intake,
        routes: Routes,
        memory: Memory,
        *,
        reload: Reload,
        mutings: Mutings,
        shedding: Shedding,
        explainer: Explainer | None = None,
        refitter: Refitter | None = None,
        forecast_explainer: ForecastExplainer | None = None,
    ) -> None:
        self._intake = intake
        self._routes = routes
        self._memory = memory
        self._reload = reload
        self._mutings = mutings
        self._shedding = shedding
        self._explainer = explainer
        self._refitter = refitter
        self._forecast_explainer = forecast_explainer
        self._bundle = reload.bundle
        routes.spent = shedding.spent
        mutings.resume(route.labels.fitted for route in routes)

    def turn(self) -> list[Output]:
        """What has changed of names, verdicts and models, by other than rows."""
        self._memory.turn()
        outputs = self._reload.turn()
        if self._reload.bundle is not self._bundle:
            self._bundle = self._reload.bundle
            self._mutings.use_bundle(self._bundle.hash)
        given = [each for output in outputs for each in self.give(output.node, output.band, [output])]
        self._shed()
        self._tell_explained()
        if self._refitter is not None:
            self._refitter.between_rows(self._routes, self._memory.tell)
        if self._forecast_explainer is not None:
            self._forecast_explainer.between_rows(self._routes)
            self._tell_forecasts_explained(self._forecast_explainer)
        return given + self._mutings.turn()

    def give(self, node: str, band: str, outputs: Sequence[Output]) -> list[Output]:
        """What is given out instead of what a route put out."""
        return self._mutings.take(node, band, outputs)

    def _tell_explained(self) -> None:
        for (node, band), reason, made in self._explainer.finished() if self._explainer is not None else ():
            self._memory.tell(
                "explained",
                node,
                band,
                reason=reason,
                windows=made.windows,
                depth=made.depth,
                fidelity=made.fidelity,
                folder=made.folder,
            )

    def _tell_forecasts_explained(self, explainer: ForecastExplainer) -> None:
        for (node, band), reason, found in explainer.finished():
            self._memory.tell(
                FORECAST_EXPLAINED,
                node,
                band,
                reason=reason,
                model=found.model,
                measure=found.measure,
                windows=found.windows,
                says=found.sentence,
                folder=found.folder,
            )

    def _shed(self) -> None:
        strides = [
            BandStride(route.node, route.band, self._routes.stride_rows(route.band), route.stride_rows)
            for route in self._routes
        ]
        for change in self._shedding.turn(self._intake.fill, strides):
            route = self._routes.of(change.node, change.band)
            if route is not None:
                route.stride_rows = change.stride_rows
                self._memory.tell(STRIDE, change.node, change.band, rows=change.stride_rows)
