"""What the principal components keep of the shipped encoder's features, on a band it never learnt from.

    OMP_NUM_THREADS=1 python benchmarks/components.py [--windows 5000] [--png FILE]

Prints the first paper's figure 3 as numbers: how many components explain 85 % of the variance, and how the
neighbourhoods of the points agree with those of the features, themselves and on t-SNE maps. `--png` draws it.
About three minutes of processor for 5,000 windows.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from bandwatch.explain.pca_figure import draw_components
from bandwatch.explain.pca_study import PcaStudy, average_windows, study_components
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import day_of_windows
from bandwatch.models.clustering import fit_centres, fit_projection

SEED = 500_902


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=shipped_bundle())
    parser.add_argument("--windows", type=int, default=5000)
    parser.add_argument("--components", type=int, default=20)
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--png", type=Path)
    options = parser.parse_args()
    bundle = Bundle.load(options.bundle, device="cpu", threads=1)
    days = islice(day_of_windows(SEED, options.windows), options.windows)
    windows = np.stack([window.values.astype(np.float16) for window, _ in days])
    features = np.concatenate([bundle.embed(part.astype(np.float32)) for part in in_parts(windows)])
    for whiten in (False, True):
        projection = fit_projection(features, options.components, whiten=whiten)
        _, clusters = fit_centres(projection.points(features), options.clusters, SEED)
        study = study_components(features, projection, clusters)
        print(f"{'whitened' if whiten else 'not whitened'}: {sentence(study)}", flush=True)
        if options.png and not whiten:
            draw_components(study, average_windows(windows, clusters)).savefig(options.png)


def sentence(study: PcaStudy) -> str:
    lines = [
        f"{len(study.drawn)} windows, {study.components} components explain {study.kept_variance:.3f} of the "
        f"variance, {study.components_for(0.85)} explain 0.85"
    ]
    for name, found in (("points beside features", study.kept), ("their maps", study.maps)):
        lines.append(
            f"{name}: trustworthiness {found.trustworthiness:.3f}, overlap of {study.neighbours} neighbours "
            f"{found.neighbour_overlap:.3f} (chance {found.overlap_by_chance:.3f}), of the same cluster "
            f"{found.same_cluster[0]:.3f} and {found.same_cluster[1]:.3f}"
        )
    return "\n  ".join(lines)


def in_parts(windows):
    return np.split(windows, range(256, len(windows), 256))


if __name__ == "__main__":
    main()
