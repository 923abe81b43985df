"""What drift says of a band that stays as it is for a day, and of one that changes.

    python benchmarks/drift.py

The default simulated band in 256 bins and a row a second, so that a day is cheap: two segments, a window each
every 16 s, a band model fitted and re-fitted as the agent does. Three seeds without the day's course, which
are unchanged in every respect; one with it, whose days are busier than its nights. Then, from hour 20 of the
first seed on, two hours of each of several changes. A minute on one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from bandwatch.models.activity import BandModel
from bandwatch.models.band_fitting import BandFitter
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import LIVE_STRIDE_ROWS, geometry_of
from bandwatch.models.drift import DRIFTING_FROM, Drift, DriftWatch
from bandwatch.models.training_windows import cut_windows
from bandwatch.pipeline.arrivals import Periodic, Poisson
from bandwatch.pipeline.emitters import Carrier, Emitter, LoraBursts, WidebandInterference
from bandwatch.pipeline.frames import NS_PER_S, Assignment, Float32, PsdFrame, Window
from bandwatch.pipeline.named_scenes import logatec_scene
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import START_2026_NS, Simulator
from bandwatch.pipeline.state import State

HOURS = 24
SEEDS = 3
CHANGED_HOUR = 20
HOURS_AFTER = 2
EMBED_BATCH = 256

BAND = Scene(bins=256, bin_hz=750.0, rows_per_second=1.0)


def steady(emitters: Iterable[Emitter]) -> tuple[Emitter, ...]:
    """As busy by night as by day."""
    return tuple(
        replace(each, arrivals=replace(each.arrivals, daily_swing_ratio=0.0))
        if isinstance(each.arrivals, Poisson)
        else each
        for each in emitters
    )


UNCHANGED = replace(BAND, emitters=steady(BAND.emitters))
ALWAYS = Periodic(86_400.0)

CHANGES: dict[str, Scene] = {
    "nothing (another seed)": UNCHANGED,
    "10 dB more gain, noise and all": replace(UNCHANGED, noise_floor_db=-100.0),
    "gain that jitters by 1 dB from row to row": replace(UNCHANGED, gain_jitter_db=1.0),
    "twice the noise's spread": replace(UNCHANGED, averaged_spectra=UNCHANGED.averaged_spectra / 4),
    "a filter that loses 8 dB at the ends, not 2.6": replace(UNCHANGED, roll_off_db=8.0),
    "no transmitter is heard any more": replace(UNCHANGED, emitters=()),
    "the transmitters of `logatec`": replace(UNCHANGED, emitters=steady(logatec_scene().emitters)),
    "a carrier 20 dB above the floor": replace(
        UNCHANGED,
        emitters=(
            *UNCHANGED.emitters,
            Carrier(ALWAYS, 868.25e6, 30.0, 100.0, 700.0, (86_400.0, 86_400.0), (20.0, 20.0)),
        ),
    ),
    "LoRa at 20 dB, ten times an hour": replace(
        UNCHANGED,
        emitters=(
            *UNCHANGED.emitters,
            LoraBursts(Poisson(10), 868.3e6, 125e3, (12, 12), (200, 300), (20.0, 20.0)),
        ),
    ),
    "wideband interference to 20 dB, 200 times an hour": replace(
        UNCHANGED,
        emitters=(
            *UNCHANGED.emitters,
            WidebandInterference(
                Poisson(200), (868.2e6, 868.392e6), (60e3, 400e3), (5.0, 20.0), 0.4, 4.0, (10.0, 20.0)
            ),
        ),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=shipped_bundle())
    bundle = Bundle.load(parser.parse_args().bundle, device="cpu", threads=1)

    print("| a day | largest | its mean | hours at 0.25 or more | hours known |\n|---|---|---|---|---|")
    kept: tuple[BandModel, State] | None = None
    for name, scene, seed in (
        *((f"unchanged, seed {seed}", UNCHANGED, seed) for seed in range(SEEDS)),
        ("busier by day, seed 0", BAND, 0),
    ):
        life = Life(bundle, scene, seed)
        drifts = list(life.hours(HOURS))
        ratios = np.array([drift.ratio for drift in drifts])
        known = ratios[~np.isnan(ratios)]
        hours = len(known) / 12
        print(
            f"| {name} | {known.max():.2f} | {known.mean():.3f} | "
            f"{(known >= DRIFTING_FROM).sum() / 12:.1f} | {hours:.1f} |",
            flush=True,
        )
        kept = kept or life.kept

    assert kept is not None
    print("\n| change | after 30 min | 1 h | 2 h | told of after |\n|---|---|---|---|---|")
    for name, scene in CHANGES.items():
        drifts = list(changed(bundle, scene, *kept))
        at = [drifts[min(blocks, len(drifts)) - 1].ratio for blocks in (6, 12, 24)]
        crossed = next((5 * number for number, drift in enumerate(drifts, 1) if drift.crossed), None)
        told = "-" if crossed is None else f"{crossed} min"
        print(f"| {name} | " + " | ".join(f"{ratio:.2f}" for ratio in at) + f" | {told} |", flush=True)


class Life:
    """A band as the agent hears it from its first row on; `kept` is what it knew at hour 20."""

    def __init__(self, bundle: Bundle, scene: Scene, seed: int) -> None:
        self._bundle = bundle
        self._frames = Simulator(seed, scene=scene).frames()
        geometry = geometry_of(next(Simulator(seed, scene=scene).frames()))
        self._segments = geometry.segments
        self._fitter = BandFitter(geometry, stride_rows=LIVE_STRIDE_ROWS)
        self.kept: tuple[BandModel, State] | None = None

    def hours(self, hours: int) -> Iterator[Drift]:
        watch = DriftWatch("simulated", "srd-868")
        for windows, features in embedded(self._bundle, self._frames, hours, self._segments):
            if self._fitter.push(features) is not None:
                watch.reset()
            if self._fitter.model is not None:
                yield from heard(watch, self._fitter.model, windows, features)
            hour = (windows[0].start_ns - START_2026_NS) / NS_PER_S / 3600
            if self.kept is None and hour >= CHANGED_HOUR and self._fitter.model is not None:
                self.kept = self._fitter.model, watch.state()


def changed(bundle: Bundle, scene: Scene, model: BandModel, state: State) -> Iterator[Drift]:
    """What is said of another scene from hour 20 on."""
    watch = DriftWatch("simulated", "srd-868")
    watch.restore(state)
    start_ns = START_2026_NS + CHANGED_HOUR * 3600 * NS_PER_S
    simulator = Simulator(SEEDS, scene=scene, start_ns=start_ns)
    segments = model.geometry.segments
    for windows, features in embedded(bundle, simulator.frames(), HOURS_AFTER, segments):
        yield from heard(watch, model, windows, features)


def embedded(
    bundle: Bundle, frames: Iterator[PsdFrame], hours: int, segments: int
) -> Iterator[tuple[tuple[Window, ...], Float32]]:
    """The windows of each moment and their features [segments, d]."""
    rows = islice(frames, round(hours * 3600 * BAND.rows_per_second))
    windows = cut_windows(rows, LIVE_STRIDE_ROWS)
    while many := tuple(islice(windows, EMBED_BATCH)):
        features = bundle.embed(np.stack([window.values for window in many]))
        for first in range(0, len(many), segments):
            yield many[first : first + segments], features[first : first + segments]


def heard(
    watch: DriftWatch, model: BandModel, windows: Iterable[Window], features: Float32
) -> Iterator[Drift]:
    clusters, distances, novelties = (each.tolist() for each in model.assign(features))
    for window, cluster, distance, novelty in zip(windows, clusters, distances, novelties, strict=True):
        yield from watch.push(
            Assignment(
                window.node,
                window.band,
                window.segment,
                window.start_ns,
                window.end_ns,
                cluster,
                distance,
                novelty,
                model.name,
            )
        )


if __name__ == "__main__":
    main()
