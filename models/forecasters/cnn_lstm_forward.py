"""The CNN-LSTM's forward pass as the agent runs it: ONNX Runtime, equal to `CnnLstmNetwork` without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...pipeline.frames import Float32
from ..engine import ort_session
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


class CnnLstmForward:
    """A network in evaluation mode with its scaling, on one thread."""

    def __init__(self, weights: Mapping[str, Float32], mean_db: Float32, scale_db: Float32) -> None:
        """The weights bear the names of `CnnLstmNetwork`; mean and scale are float32 [F]."""
        from .cnn_lstm_onnx import INPUT, cnn_lstm_graph  # who only reads or writes weights needs no onnx

        self._input = INPUT
        self._session = ort_session(cnn_lstm_graph(weights, mean_db, scale_db).SerializeToString(), threads=1)

    def run(self, histories: Float32) -> Float32:
        """Dropout off. Shape: float32 [n, 24, F] -> [n, 12, F], both in the band's unit."""
        outputs: Any = self._session.run(None, {self._input: histories})
        return outputs[0]
