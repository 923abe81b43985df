"""Another bundle for the bands of a running agent, made ready beside it."""

from __future__ import annotations

import threading

from ..config.schema import Settings
from ..models.bundle import Bundle
from ..pipeline.errors import BadInput
from .labels import Labels
from .learned import load_bundle
from .long_start import Stopped
from .memory import Memory
from .outputs import Fitted, Unfitted
from .routes import Routes
from .telemetry import Telemetry


class BundleSwitch:
    """Loads the bundle of the settings in a thread, and each band's labels: kept ones of this bundle, or
    fitted on the rows that are stored. `finish`, by the loop, puts them to use between two rows."""

    def __init__(self, settings: Settings, routes: Routes, memory: Memory, telemetry: Telemetry) -> None:
        self._settings = settings
        self._routes = routes
        self._memory = memory
        self._telemetry = telemetry
        self._bundle: Bundle | None = None
        self._labels: dict[tuple[str, str], Labels] = {}
        self._failure: BadInput | None = None
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bundle", daemon=True)

    @property
    def finished(self) -> bool:
        return not self._thread.is_alive()

    @property
    def bundle(self) -> Bundle:
        assert self._bundle is not None, "asked for before it was finished"
        return self._bundle

    def start(self) -> None:
        self._thread.start()

    def abandon(self) -> None:
        """Let go of it; what is under way ends with the next row, but for the loading of weights."""
        self._abandoned.set()
        self._thread.join(0.5)

    def finish(self) -> list[Fitted | Unfitted]:
        """Use the bundle from the next row on; BadInput where it cannot be used."""
        if self._failure is not None:
            raise self._failure
        self._memory.keep_all()
        self._memory.use_bundle(self.bundle.name)
        self._routes.use_bundle(self.bundle)
        outputs: list[Fitted | Unfitted] = []
        for route in self._routes:
            labels = self._labels.get((route.node, route.band))
            geometry = route.labels.geometry
            if labels is None or labels.geometry != geometry:
                labels = self._routes.labels(route.node, route.band)
                if geometry is not None:
                    labels.measure(geometry)
            route.use_labels(labels)
            outputs.append(labels.fitted or Unfitted(route.node, route.band))
        self._memory.want_states()
        return outputs

    def _run(self) -> None:
        try:
            bundle = load_bundle(self._settings, self._telemetry)
            for route in self._routes:
                labels = self._memory.labels_for(bundle, route.node, route.band, self._going_on)
                if labels is not None:
                    self._labels[route.node, route.band] = labels
            self._bundle = bundle
        except BadInput as refusal:
            self._failure = refusal
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - with the old bundle all is well, whatever the new one does
            self._failure = BadInput(f"models.bundle: cannot be used: {error!r}")

    def _going_on(self) -> None:
        if self._abandoned.is_set():
            raise Stopped
