"""From bands to a bundle's contents: windows, encoder, band models, and figures that say how good it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, PsdFrame, Window
from ..pipeline.recording import Recording
from ..pipeline.simulator import Simulator
from ..pipeline.windows import segment_starts
from .activity import BandModel, Geometry
from .band_fitting import MOST_CLUSTERS, MOST_COMPONENTS, fit_band_model
from .clustering import fit_centres, fit_projection
from .training_windows import TRAINING_STRIDE_ROWS, cut_windows, gather
from .window_truth import kinds_of

if TYPE_CHECKING:
    from .deepcluster import Epoch

Embed = Callable[[Float32], Float32]
Float16 = NDArray[np.float16]

LIVE_STRIDE_ROWS = 16
BAND_MODEL_WINDOWS = 6144
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


def simulated_band_model(
    embed: Embed,
    seed: int,
    *,
    clusters: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    windows: int = BAND_MODEL_WINDOWS,
) -> BandModel:
    """The model of the default simulated band, from windows at the live stride."""
    simulator = Simulator(seed)
    frame = next(Simulator(seed).frames())
    geometry = _geometry(frame, simulator.node, simulator.band)
    features = embed_all(embed, islice(cut_windows(simulator.frames(), LIVE_STRIDE_ROWS), windows))
    return fit_band_model(features, geometry, clusters=clusters, components=components, seed=seed)


def recorded_band_models(
    embed: Embed,
    recordings: Iterable[Recording],
    seed: int,
    *,
    clusters: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    fewest_windows: int = FEWEST_BAND_WINDOWS,
) -> list[BandModel]:
    """A model of each recorded band that gives at least `fewest_windows` windows at the live stride.

    Raises BadInput where two recordings of one band are measured differently.
    """
    features: dict[Geometry, list[Float32]] = {}
    for recording in recordings:
        geometry = _geometry(recording, recording.node, recording.band)
        for known in features:
            if (known.node, known.band) == (geometry.node, geometry.band) and known != geometry:
                raise BadInput(
                    f"{recording.path}: {geometry.node}/{geometry.band} has {geometry}, before it had {known}"
                )
        features.setdefault(geometry, []).append(embed_all(embed, cut_windows(recording, LIVE_STRIDE_ROWS)))
    return [
        fit_band_model(
            np.concatenate([part for part in parts if len(part)]),
            geometry,
            clusters=clusters,
            components=components,
            seed=seed,
        )
        for geometry, parts in features.items()
        if sum(map(len, parts)) >= fewest_windows
    ]


def agreement_with_truth(embed: Embed, model: BandModel, seed: int, windows: int = 2048) -> dict[str, float]:
    """How well clusters tell the simulator's kinds apart in bands that nothing was trained on.

    Normalised mutual information with the kind that fills most of a window (`window_truth.py`), windows
    not overlapping: of `model`'s clusters on the default band of another seed, and of 24 clusters of
    twelve varied bands together. And the share of the default band's windows with a novelty above 0.95.
    """
    from sklearn.metrics import normalized_mutual_info_score

    default_features, default_kinds = labelled(embed, Simulator(seed + HELD_OUT_DEFAULT), windows)
    clusters, _, novelty = model.assign(default_features)
    varied = [
        labelled(embed, Simulator.varied(seed + HELD_OUT_VARIED + number), windows // HELD_OUT_VARIED_BANDS)
        for number in range(HELD_OUT_VARIED_BANDS)
    ]
    features = np.concatenate([features for features, _ in varied])
    kinds = [kind for _, of_one in varied for kind in of_one]
    points = fit_projection(features, MOST_COMPONENTS).points(features)
    _, labels = fit_centres(points, MOST_CLUSTERS, seed)
    return {
        "nmi_kinds_default_band": round(float(normalized_mutual_info_score(default_kinds, clusters)), 4),
        "nmi_kinds_varied_bands": round(float(normalized_mutual_info_score(kinds, labels)), 4),
        "share_novelty_above_0.95": round(float((novelty > 0.95).mean()), 4),
    }


def labelled(embed: Embed, simulator: Simulator, windows: int) -> tuple[Float32, list[str]]:
    """Features [n, d] and true kinds [n] of the first windows of a simulated band, not overlapping."""
    features: list[Float32] = []
    kinds: list[str] = []
    iterator = islice(cut_windows(simulator.frames(), TRAINING_STRIDE_ROWS), windows)
    while batch := list(islice(iterator, EMBED_BATCH)):
        features.append(embed(np.stack([window.values for window in batch])))
        kinds += kinds_of(batch, simulator.truth)
    return np.concatenate(features), kinds


def training_figures(epochs: Sequence[Epoch]) -> dict[str, float | None]:
    """Loss and accuracy at the end, and how far the last two clusterings agree."""
    agreements = [epoch.nmi for epoch in epochs if epoch.nmi is not None]
    return {
        "final_loss": round(epochs[-1].loss, 4),
        "final_accuracy": round(epochs[-1].accuracy, 4),
        "nmi_last_two_clusterings": round(agreements[-1], 4) if agreements else None,
    }


def _geometry(measured: PsdFrame | Recording, node: str, band: str) -> Geometry:
    segments = len(segment_starts(measured.bins))
    return Geometry(node, band, measured.unit, measured.bins, measured.bin_hz, segments)
