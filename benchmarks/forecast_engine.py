"""One forecast by the CNN-LSTM on one core: what the agent runs beside torch eager, in one run.

    python benchmarks/forecast_engine.py [--frequencies 232] [--rounds 50]

A round times some forecasts of each by turns, so that what else the machine does meets both; the ratio is
the median over the rounds of torch's time divided by ours. Both take a history in the band's unit and give
a forecast in it; ours also checks that the history is of the model's geometry and finite. Torch runs in
inference mode, on one thread. Prints one line; stops with an error where the numbers differ by more than
1e-5.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from bandwatch.models.checkpoint import tensors_of
from bandwatch.models.forecasters.cnn_lstm import CnnLstm
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmNetwork
from bandwatch.models.forecasters.network_config import NetworkConfig
from bandwatch.pipeline.frames import History

FORECASTS_A_ROUND = 50
MOST_DIFFERENCE = 1e-5  # of values of the size of one: float32 knows those around -90 to 8e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frequencies", type=int, default=232)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = CnnLstmNetwork(NetworkConfig(options.frequencies, options.frequencies)).eval()
    random = np.random.default_rng(0)
    mean_db = random.normal(0, 1, options.frequencies).astype(np.float32)
    scale_db = random.uniform(0.5, 1.5, options.frequencies).astype(np.float32)
    ours = CnnLstm(
        frequencies_hz=1300e6 + 2e6 * np.arange(options.frequencies),
        unit="dB",
        step_s=60.0,
        mean_db=mean_db,
        scale_db=scale_db,
        weights=tensors_of(network),
    )
    history = History(
        node="node",
        band="band",
        step_s=60.0,
        end_ns=0,
        frequencies_hz=ours.frequencies_hz.copy(),
        values=random.normal(0, 1, (24, options.frequencies)).astype(np.float32),
        season=np.zeros((0, options.frequencies), np.float32),
        season_end_ns=np.zeros(0, np.int64),
    )
    mean, scale = torch.from_numpy(mean_db), torch.from_numpy(scale_db)

    def by_torch() -> np.ndarray:
        with torch.inference_mode():
            scaled = (torch.from_numpy(history.values)[None] - mean) / scale
            return (network(scaled)[0] * scale + mean).numpy()

    def by_ours() -> np.ndarray:
        forecast = ours.forecast(history)
        assert forecast is not None
        return forecast

    difference = np.abs(by_torch() - by_ours()).max()
    if difference > MOST_DIFFERENCE:
        raise SystemExit(f"the numbers differ by {difference:.1e}, may by {MOST_DIFFERENCE:g}")
    seconds = np.array([[_median(by_torch), _median(by_ours)] for _ in range(options.rounds)])  # [rounds, 2]
    torch_ms, ours_ms = 1e3 * np.median(seconds, axis=0)
    ratios = seconds[:, 0] / seconds[:, 1]
    low, ratio, high = np.percentile(ratios, [10, 50, 90])
    print(
        f"{options.frequencies} frequencies: torch eager {torch_ms:.3f} ms, ours {ours_ms:.3f} ms, "
        f"{ratio:.1f} times as fast (10..90 % of {options.rounds} rounds {low:.1f}..{high:.1f}); "
        f"numbers differ by {difference:.0e} at most"
    )


def _median(forecast: Callable[[], np.ndarray]) -> float:
    """Of a round's calls, in seconds."""
    seconds = []
    for _ in range(FORECASTS_A_ROUND):
        start = time.perf_counter()
        forecast()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
