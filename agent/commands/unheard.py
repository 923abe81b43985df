"""A note on words for what a band does not have now: a later model, or other settings, may have it."""

from __future__ import annotations

import itertools
from pathlib import Path

import typer

from ...config.schema import RadioSource, Settings, SimulatorSource
from ...pipeline.named_scenes import scene_named
from ..kept_band import kept_band
from ..wording import frequency_range
from .place import Place


def note_cluster(directory: Path, place: Place, cluster: int) -> None:
    """Says on stderr which clusters there are, where this is none of them; nothing without a model."""
    if place.node is None:
        return
    kept = kept_band(directory, place.bundle, place.node, place.band)
    if kept is not None and kept.clusters is not None and cluster not in kept.clusters:
        there = f"the model of {place.name} has {_listed(kept.clusters)}"
        typer.echo(f"note: there is no cluster {cluster} now: {there}", err=True)


def note_range(directory: Path, settings: Settings, place: Place, ends_hz: tuple[float, float]) -> None:
    """Says on stderr where the band lies, if all of a range lies outside; nothing where that is not known."""
    edges_hz = _edges_hz(settings, place.band)
    if edges_hz is None and place.node is not None:
        kept = kept_band(directory, place.bundle, place.node, place.band)
        edges_hz = None if kept is None else kept.edges_hz
    if edges_hz is None or (ends_hz[0] < edges_hz[1] and ends_hz[1] > edges_hz[0]):
        return
    where = frequency_range(*edges_hz)
    typer.echo(f"note: all of it is outside the band: {place.name} is {where}", err=True)


def _edges_hz(settings: Settings, band: str) -> tuple[float, float] | None:
    """As the settings have them; None where only the publisher knows."""
    source = settings.band(band).source
    if isinstance(source, RadioSource):
        center_hz, wide_hz = source.center_hz, source.sample_rate_hz
    elif isinstance(source, SimulatorSource):
        scene = scene_named(source.scene, source.seed)
        center_hz, wide_hz = scene.center_hz, scene.bins * scene.bin_hz
    else:
        return None
    return center_hz - wide_hz / 2, center_hz + wide_hz / 2


def _listed(numbers: tuple[int, ...]) -> str:
    """`0 to 7, 9`: ascending numbers with neighbours together."""
    runs: list[str] = []
    for _, run in itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        first, *others = (number for _, number in run)
        runs.append(f"{first} to {others[-1]}" if others else str(first))
    return ", ".join(runs)
