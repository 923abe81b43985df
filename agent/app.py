"""The composition root: the parts of an agent, put together in the order a frame meets them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from ..config.schema import Settings
from .core import Core
from .explainer import Explainer
from .feeds import Feeds, bands_to_hear, own_bands
from .fits import Fits
from .forecast_explainer import ForecastExplainer
from .intake import DirectIntake, SocketIntake
from .learned import load_bundle
from .long_start import LongStart
from .loop import Loop
from .memory import Memory
from .mutings import Mutings
from .records import Records
from .refitter import Refitter
from .reload import Reload
from .routes import Routes
from .shedding import Shedding
from .steering import Steering
from .transport import Frames, Through, own_publisher, recordings_over, subscribers_to
from .words import Words
from .worker_slot import WorkerSlot


def run(settings: Settings, stop: Event, *, reload: Event, read: Callable[[], Settings]) -> None:
    """The agent: sources -> socket -> routes -> metrics and store; `reload` has the settings `read` again."""
    with Core(settings, serve=True, show=True, bands=bands_to_hear(settings)) as core, ExitStack() as parts:
        told, bundle = core.telemetry.bad_input, load_bundle(settings, core.telemetry)
        memory = parts.enter_context(Memory(settings, bundle.name, core.telemetry))
        publisher = parts.enter_context(own_publisher(settings, stop))
        subscribers = parts.enter_context(subscribers_to(publisher.endpoint, settings, core.telemetry))
        routes = Routes(settings, bundle, core.telemetry, only_configured=True)
        slot = WorkerSlot()
        explainer = _explainer(settings, core, routes, memory, slot)
        refitter = _refitter(settings, core, routes, memory, slot)
        forecast_explainer = _forecast_explainer(settings, core, memory, slot, explainer)
        known = memory.recover(routes, LongStart(stop, core.notifier, core.telemetry))
        feeds = parts.enter_context(Feeds(settings, publisher, core.telemetry, stop, after_ns=known.end_ns))
        intake = SocketIntake(subscribers, check=feeds.check)
        again = Reload(reload, read, settings, bundle, core, routes, memory)
        parts.callback(again.close)
        mutings = Mutings(Words(memory.directory, bundle.hash, told), told, memory.tell)
        core.sinks.append(shedding := Shedding(core.telemetry))
        steering = Steering(
            intake,
            routes,
            memory,
            reload=again,
            mutings=mutings,
            shedding=shedding,
            explainer=explainer,
            refitter=refitter,
            forecast_explainer=forecast_explainer,
        )
        loop = Loop(intake, routes, core, stop, live=True, memory=memory, steering=steering)
        if explainer is not None:
            core.sinks.append(explainer)
            parts.callback(explainer.close)
            explainer.start()
        if forecast_explainer is not None:
            core.sinks.append(forecast_explainer)
            parts.callback(forecast_explainer.close)
            forecast_explainer.start()
        if refitter is not None:
            parts.callback(refitter.close)
            refitter.start()
        core.ready(core.rows if own_bands(settings) else lambda: loop.turns, core.row_seconds)
        loop.run()


def replay(
    settings: Settings, frames: Frames, stop: Event, *, through: Through, json_path: Path | None, serve: bool
) -> Records:
    """Recordings -> the same routes, with back-pressure instead of loss; returns what was counted."""
    with Core(settings, serve=serve, show=True) as core, ExitStack() as parts:
        bundle = load_bundle(settings, core.telemetry)
        core.sinks.append(records := parts.enter_context(Records(json_path)))
        over = recordings_over(through, frames, core.telemetry, stop)
        intake = DirectIntake(frames) if through == "direct" else parts.enter_context(over)
        routes = Routes(settings, bundle, core.telemetry, only_configured=False)
        Loop(intake, routes, core, stop, live=False).run()
        records.complete = intake.ended and not stop.is_set()
    return records


def _refitter(
    settings: Settings, core: Core, routes: Routes, memory: Memory, slot: WorkerSlot
) -> Refitter | None:
    """Bands have a default forecaster where there is a store, fitted anew unless the settings say never."""
    if not settings.store.enabled:
        return None
    routes.fits = Fits(memory.directory)
    if not settings.forecast.refit_hours:
        return None
    return Refitter(settings, memory.directory, routes.fits, core.telemetry, slot=slot)


def _explainer(
    settings: Settings, core: Core, routes: Routes, memory: Memory, slot: WorkerSlot
) -> Explainer | None:
    """Hears windows from now on, those that are recovered too; None where there is no place to publish."""
    if not (settings.explain.enabled and settings.store.enabled):
        return None
    explainer = Explainer(
        settings.explain,
        memory.directory,
        core.telemetry,
        keep_free_bytes=settings.store.keep_free_bytes,
        slot=slot,
    )
    routes.seen = explainer.seen
    core.explanations = explainer.listed
    return explainer


def _forecast_explainer(
    settings: Settings, core: Core, memory: Memory, slot: WorkerSlot, explainer: Explainer | None
) -> ForecastExplainer | None:
    """Beside that of the clusters, which hears when somebody asks for both; none without it."""
    if explainer is None:
        return None
    found = ForecastExplainer(settings, memory.directory, core.telemetry, slot=slot)
    explainer.requested = found.ask_all
    core.forecast_maps = found.listed
    return found
