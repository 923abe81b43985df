"""What windows of broad bands show, and how fast they come.

    python benchmarks/broad_windows.py [--bands 50] [--windows 96]

The first windows of each seed's band, 128 rows apart, behind the floor tracker; rates are of processor time.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from itertools import islice

from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_energy import energy_truth
from bandwatch.pipeline.broad_scene import broad_scene
from bandwatch.pipeline.simulator import Simulator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bands", type=int, default=50)
    parser.add_argument("--windows", type=int, default=96, help="of each band")
    options = parser.parse_args()

    shown: Counter[int] = Counter()
    main_kinds: Counter[str] = Counter()
    cutting = 0.0
    truth_ms: list[float] = []
    for seed in range(options.bands):
        simulator = Simulator(seed, scene=broad_scene(seed))
        started = time.process_time()
        windows = list(islice(cut_windows(simulator.frames(), 128), options.windows))
        cut = time.process_time()
        cutting += cut - started
        emissions = simulator.truth
        for window in windows:
            truth = energy_truth(window, emissions, simulator.scene.averaged_spectra)
            shown[min(len(truth.kinds), 2)] += 1
            main_kinds[truth.main_kind] += 1
        truth_ms.append((time.process_time() - cut) / len(windows) * 1e3)
    count = shown.total()
    print(f"{count} windows, {count / cutting:.0f} a second")
    print(f"truth: {sum(truth_ms) / len(truth_ms):.2f} ms a window, {max(truth_ms):.1f} in the slowest band")
    print(
        f"none shows in {shown[0] / count:.0%}, one in {shown[1] / count:.0%}, more in {shown[2] / count:.0%}"
    )
    for kind, found in main_kinds.most_common():
        print(f"  {found / count:6.1%} {kind}")


if __name__ == "__main__":
    main()
