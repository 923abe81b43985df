"""From bands to a bundle's contents: windows, encoder, band models, and figures that say how good it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S, Float32, Int64, PsdFrame, Window
from ..pipeline.recording import Recording
from ..pipeline.simulator import START_2026_NS, Simulator
from ..pipeline.windows import segment_starts
from .activity import BandModel, Geometry
from .band_fitting import MOST_CLUSTERS, MOST_COMPONENTS, fit_band_model
from .clustering import fit_centres, fit_projection
from .training_windows import TRAINING_STRIDE_ROWS, cut_windows, gather
from .window_energy import EnergyTruth, energy_truth

if TYPE_CHECKING:
    from .deepcluster import DeepClusterConfig, Epoch

Embed = Callable[[Float32], Float32]
Float16 = NDArray[np.float16]

LIVE_STRIDE_ROWS = 16
BAND_MODEL_WINDOWS = 6144
DAY_STRIDE_ROWS = 120
STRETCHES = 12
STRETCH_SEEDS = 1000
DAY_NS = 86_400 * NS_PER_S
FEWEST_BAND_WINDOWS = 96
EMBED_BATCH = 256

# What a held-out band's seed is above the training's: no band is learnt from and judged by.
HELD_OUT_DEFAULT = 500_000
HELD_OUT_VARIED = 600_000
HELD_OUT_VARIED_BANDS = 12


def simulated_windows(
    seed: int, bands: int, windows: int, on_window: Callable[[], None] = lambda: None
) -> Float16:
    """Windows [n, 128, 128] of `bands` varied simulated bands, n about `windows`, as many of each."""
    simulated = (Simulator.varied(seed + 1 + number).frames() for number in range(bands))
    return gather(simulated, limit=windows, each=-(-windows // bands), on_window=on_window)


def embed_all(embed: Embed, windows: Iterable[Window]) -> Float32:
    """The features [n, d] of many windows, a batch of them in memory at a time."""
    iterator = iter(windows)
    parts: list[Float32] = []
    while batch := list(islice(iterator, EMBED_BATCH)):
        parts.append(embed(np.stack([window.values for window in batch])))
    return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)


def day_of_windows(
    seed: int, windows: int, stride_rows: int = DAY_STRIDE_ROWS
) -> Iterator[tuple[Window, Simulator]]:
    """Windows of the default simulated band from all hours, each with the simulator that knows its truth.

    Twelve stretches, two hours apart, of `windows` / 12 windows each. At 6,144 windows and 120 rows a stretch
    is as long as the period of the band's slowest emitter.
    """
    for stretch in range(STRETCHES):
        start_ns = START_2026_NS + stretch * DAY_NS // STRETCHES
        # The same seed would give the same draws at another hour.
        simulator = Simulator(seed + STRETCH_SEEDS * stretch, start_ns=start_ns)
        for window in islice(cut_windows(simulator.frames(), stride_rows), -(-windows // STRETCHES)):
            yield window, simulator


def simulated_band_model(
    embed: Embed,
    seed: int,
    *,
    clusters: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    whiten: bool = False,
    windows: int = BAND_MODEL_WINDOWS,
) -> BandModel:
    """The model of the default simulated band, from windows of all hours."""
    simulator = Simulator(seed)
    geometry = geometry_of(next(simulator.frames()))
    features = embed_all(embed, (window for window, _ in day_of_windows(seed, windows)))
    return fit_band_model(
        features,
        geometry,
        clusters=clusters,
        components=components,
        whiten=whiten,
        seed=seed,
        stride_rows=DAY_STRIDE_ROWS,
    )


def recorded_band_models(
    embed: Embed,
    recordings: Iterable[Recording],
    seed: int,
    *,
    clusters: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    whiten: bool = False,
    fewest_windows: int = FEWEST_BAND_WINDOWS,
) -> list[BandModel]:
    """A model of each recorded band that gives at least `fewest_windows` windows at the live stride.

    Raises BadInput where two recordings of one band are measured differently.
    """
    measured: dict[tuple[str, str], Geometry] = {}
    features: dict[Geometry, list[Float32]] = {}
    for recording in recordings:
        geometry = geometry_of(recording)
        known = measured.setdefault((geometry.node, geometry.band), geometry)
        if not known.same_measure(geometry):
            raise BadInput(
                f"{recording.path}: {geometry.node}/{geometry.band} has {geometry}, before it had {known}"
            )
        features.setdefault(known, []).append(embed_all(embed, cut_windows(recording, LIVE_STRIDE_ROWS)))
    return [
        fit_band_model(
            np.concatenate([part for part in parts if len(part)]),
            geometry,
            clusters=clusters,
            components=components,
            whiten=whiten,
            seed=seed,
            stride_rows=LIVE_STRIDE_ROWS,
        )
        for geometry, parts in features.items()
        if sum(map(len, parts)) >= fewest_windows
    ]


def agreement_with_truth(
    embed: Embed, model: BandModel, seed: int, windows: int = 2048, *, whiten: bool = False
) -> dict[str, float]:
    """How well clusters tell the simulator's kinds apart in bands that nothing was trained on.

    Normalised mutual information with the kind of most energy in a window (`window_energy.py`): of `model`'s
    clusters on the default band of another seed, through a day, and of 24 clusters of twelve varied bands
    together, fitted on the very windows that are judged; of all windows, and of those that show at most one
    kind. And the share of the default band's windows with a novelty above 0.95.
    """
    stride_rows = DAY_STRIDE_ROWS * max(1, BAND_MODEL_WINDOWS // windows)
    default = labelled(embed, day_of_windows(seed + HELD_OUT_DEFAULT, windows, stride_rows))
    clusters, _, novelty = model.assign(default.features)
    varied = labelled(embed, held_out_varied_windows(seed, windows))
    points = fit_projection(varied.features, MOST_COMPONENTS, whiten=whiten).points(varied.features)
    _, labels = fit_centres(points, MOST_CLUSTERS, seed)
    figures = {
        "nmi_kinds_default_band": default.nmi(clusters),
        "nmi_single_kinds_default_band": default.nmi(clusters, single=True),
        "nmi_kinds_varied_bands": varied.nmi(labels),
        "nmi_single_kinds_varied_bands": varied.nmi(labels, single=True),
        "share_novelty_above_0.95": float((novelty > 0.95).mean()),
    }
    return {name: round(figure, 4) for name, figure in figures.items()}


def held_out_varied_windows(seed: int, windows: int) -> Iterator[tuple[Window, Simulator]]:
    """Windows of twelve varied bands that no training with this seed has seen, as many of each."""
    for number in range(HELD_OUT_VARIED_BANDS):
        simulator = Simulator.varied(seed + HELD_OUT_VARIED + number)
        each = -(-windows // HELD_OUT_VARIED_BANDS)
        for window in islice(cut_windows(simulator.frames(), TRAINING_STRIDE_ROWS), each):
            yield window, simulator


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Features [n, d] and what each window truly shows: its main kind, and how many kinds."""

    features: Float32
    kinds: list[str]
    kind_counts: Int64

    def nmi(self, clusters: Int64, *, single: bool = False) -> float:
        """Agreement of clusters [n] with the kinds; with `single`, of windows of at most one kind."""
        from sklearn.metrics import normalized_mutual_info_score

        asked = self.kind_counts <= 1 if single else np.ones(len(self.kinds), dtype=bool)
        return float(normalized_mutual_info_score(np.array(self.kinds)[asked], clusters[asked]))


def labelled(embed: Embed, windows: Iterable[tuple[Window, Simulator]]) -> Labelled:
    """Embed windows and look up their truth."""
    truths: list[EnergyTruth] = []

    def watched() -> Iterator[Window]:
        for window, simulator in windows:
            truths.append(energy_truth(window, simulator.truth, simulator.scene.averaged_spectra))
            yield window

    features = embed_all(embed, watched())
    counts = np.array([len(truth.kinds) for truth in truths], dtype=np.int64)
    return Labelled(features, [truth.main_kind for truth in truths], counts)


def training_figures(epochs: Sequence[Epoch]) -> dict[str, float | None]:
    """Loss and accuracy at the end, and how far the last two clusterings agree."""
    agreements = [epoch.nmi for epoch in epochs if epoch.nmi is not None]
    return {
        "final_loss": round(epochs[-1].loss, 4),
        "final_accuracy": round(epochs[-1].accuracy, 4),
        "nmi_last_two_clusterings": round(agreements[-1], 4) if agreements else None,
    }


def geometry_of(measured: PsdFrame | Recording) -> Geometry:
    """How a band is measured."""
    return Geometry(
        node=measured.node,
        band=measured.band,
        unit=measured.unit,
        bins=measured.bins,
        first_hz=float(measured.first_hz),
        bin_hz=float(measured.bin_hz),
        segments=len(segment_starts(measured.bins)),
    )


def training_record(
    config: DeepClusterConfig, *, command: str, data: str | list[str], windows: int, threads: int
) -> dict[str, object]:
    """What a bundle's manifest says of its encoder's training."""
    return {
        "command": command,
        "data": data,
        "windows": windows,
        "clusters": config.clusters,
        "components": config.components,
        "whitened": config.whiten,
        "cycle": config.cycle,
        "epochs": config.epochs,
        "optimizer": f"{config.optimizer}, learning rate {config.learning_rate:g}",
        "augmented": config.augmented,
        "seed": config.seed,
        "threads": threads,
    }


def simulated_data(seed: int, bands: int) -> str:
    """What `simulated_windows` learns from, in words."""
    return f"{bands} varied simulated bands, seeds {seed + 1} to {seed + bands}"
