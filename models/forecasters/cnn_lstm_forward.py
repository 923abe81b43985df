"""The CNN-LSTM's forward pass in numpy: what the agent runs, equal to `CnnLstmNetwork` without torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...pipeline.frames import Float32
from .forecaster import HORIZON_STEPS


def weight_shapes(frequencies: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of the network for F frequencies in and out; all float32."""
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (64, frequencies, 3),
        "conv1.bias": (64,),
        "conv2.weight": (32, 64, 3),
        "conv2.bias": (32,),
    }
    for name, inputs, units in (("lstm1", 32, 64), ("lstm2", 64, 32)):
        shapes[f"{name}.weight_ih_l0"] = (4 * units, inputs)
        shapes[f"{name}.weight_hh_l0"] = (4 * units, units)
        shapes[f"{name}.bias_ih_l0"] = (4 * units,)
        shapes[f"{name}.bias_hh_l0"] = (4 * units,)
    shapes["dense.weight"] = (64, 32)
    shapes["dense.bias"] = (64,)
    shapes["output.weight"] = (HORIZON_STEPS * frequencies, 64)
    shapes["output.bias"] = (HORIZON_STEPS * frequencies,)
    return shapes


def run_network(weights: Mapping[str, Float32], x: Float32) -> Float32:
    """The network's answer, dropout off.

    Shape: scaled histories [n, 24, F] -> scaled forecasts [n, 12, F], float32.
    """
    x = _pool(_relu(_conv(weights, "conv1", x)))  # [n, 24, F] -> [n, 22, 64] -> [n, 11, 64]
    x = _pool(_relu(_conv(weights, "conv2", x)))  # -> [n, 9, 32] -> [n, 4, 32]
    x = _lstm(weights, "lstm1", x)  # -> [n, 4, 64]
    x = _lstm(weights, "lstm2", x)[:, -1]  # -> [n, 32]
    x = _relu(_dense(weights, "dense", x))  # -> [n, 64]
    return _dense(weights, "output", x).reshape(x.shape[0], HORIZON_STEPS, -1)  # -> [n, 12, F]


def _conv(weights: Mapping[str, Float32], name: str, x: Float32) -> Float32:
    """Unpadded. Shape: [n, t, c] -> [n, t - 2, filters]."""
    weight = weights[f"{name}.weight"]  # [filters, c, 3]
    filters, channels, kernel = weight.shape
    windows = sliding_window_view(x, kernel, axis=1)  # [n, t - 2, c, 3]
    flat = windows.reshape(*windows.shape[:2], channels * kernel)
    return flat @ weight.reshape(filters, -1).T + weights[f"{name}.bias"]


def _pool(x: Float32) -> Float32:
    """Maximum of pairs of steps; an odd last one is dropped. Shape: [n, t, c] -> [n, t // 2, c]."""
    even = x.shape[1] // 2 * 2
    return np.maximum(x[:, 0:even:2], x[:, 1:even:2])


def _lstm(weights: Mapping[str, Float32], name: str, x: Float32) -> Float32:
    """Shape: [n, t, c] -> hidden states [n, t, units]; gates lie in torch's order i, f, g, o."""
    from_state = weights[f"{name}.weight_hh_l0"].T  # [units, 4 units]
    from_input = x @ weights[f"{name}.weight_ih_l0"].T + (
        weights[f"{name}.bias_ih_l0"] + weights[f"{name}.bias_hh_l0"]
    )
    units = from_state.shape[0]
    hidden = cell = np.zeros((x.shape[0], units), np.float32)
    states = []
    for step in range(x.shape[1]):
        gates = from_input[:, step] + np.matmul(hidden, from_state, dtype=np.float32)  # [n, 4 units]
        put, keep, value, out = (gates[:, part * units : (part + 1) * units] for part in range(4))
        cell = _sigmoid(keep) * cell + _sigmoid(put) * np.tanh(value)
        hidden = _sigmoid(out) * np.tanh(cell)
        states.append(hidden)
    return np.stack(states, axis=1)


def _dense(weights: Mapping[str, Float32], name: str, x: Float32) -> Float32:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _relu(x: Float32) -> Float32:
    return np.maximum(x, np.float32(0))


def _sigmoid(x: Float32) -> Float32:
    return np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1))  # no overflow at either end
