"""The CNN-LSTM as an ONNX graph, built from its weights, scaling included: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from ...pipeline.frames import Float32
from ...pipeline.histories import HISTORY_STEPS
from .forecaster import HORIZON_STEPS

OPSET = 17
IR_VERSION = 8
INPUT, OUTPUT = "histories", "forecasts"
_KERNEL = 3


def cnn_lstm_graph(weights: Mapping[str, Float32], mean_db: Float32, scale_db: Float32) -> ModelProto:
    """The graph of a network in evaluation mode with its scaling before and after it.

    The first convolution, most of the work, is one matrix product of three steps side by side: half the
    time of the runtime's own, and the history need not be turned.

    Shape: input `histories` float32 [n, 24, F] -> output `forecasts` float32 [n, 12, F]; n is free.
    """
    nodes: list[NodeProto] = []
    constants: dict[str, np.ndarray] = {"mean": mean_db, "scale": scale_db}

    def add(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def integers(name: str, *values: int) -> str:
        constants[name] = np.array(values, dtype=np.int64)
        return name

    def product(x: str, layer: str, weight: Float32) -> str:
        constants[f"{layer}.turned"], constants[f"{layer}.added"] = weight, weights[f"{layer}.bias"]
        return add("Add", [add("MatMul", [x, f"{layer}.turned"], f"{layer}.times"), f"{layer}.added"], layer)

    x = add("Div", [add("Sub", [INPUT, "mean"], "centred"), "scale"], "scaled")
    steps = integers("steps", 1)
    first = [integers(f"first{shift}", shift) for shift in range(_KERNEL)]
    end = [integers(f"end{shift}", HISTORY_STEPS - _KERNEL + 1 + shift) for shift in range(_KERNEL)]
    parts = [add("Slice", [x, first[k], end[k], steps], f"shifted{k}") for k in range(_KERNEL)]
    x = add("Concat", parts, "side_by_side", axis=2)  # [n, 22, 3 F]
    kernel = weights["conv1.weight"]  # [64, F, 3]
    x = product(x, "conv1", kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0]))  # [n, 22, 64]
    x = add("Transpose", [add("Relu", [x], "relu1")], "turned1", perm=[0, 2, 1])  # [n, 64, 22]
    x = add("MaxPool", [x], "pool1", kernel_shape=[2], strides=[2])  # [n, 64, 11]
    constants |= {name: weights[name] for name in ("conv2.weight", "conv2.bias")}
    x = add("Conv", [x, "conv2.weight", "conv2.bias"], "conv2")  # [n, 32, 9]
    x = add("MaxPool", [add("Relu", [x], "relu2")], "pool2", kernel_shape=[2], strides=[2])  # [n, 32, 4]
    x = add("Transpose", [x], "turned2", perm=[2, 0, 1])  # [4, n, 32]
    for name in ("lstm1", "lstm2"):
        constants |= _lstm_constants(weights, name)
    given = ["lstm1.input", "lstm1.state", "lstm1.bias"]
    x = add("LSTM", [x, *given], "lstm1", hidden_size=64)  # [4, 1, n, 64]
    x = add("Squeeze", [x, "steps"], "states1")  # [4, n, 64]
    nodes.append(
        helper.make_node(
            "LSTM",
            [x, "lstm2.input", "lstm2.state", "lstm2.bias"],
            ["", "last"],
            name="lstm2",
            hidden_size=32,
        )
    )
    x = add("Squeeze", ["last", integers("directions", 0)], "state2")  # [n, 32]
    x = add("Relu", [product(x, "dense", weights["dense.weight"].T)], "relu3")  # [n, 64]
    x = product(x, "output", weights["output.weight"].T)  # [n, 12 F]
    x = add("Reshape", [x, integers("shape", -1, HORIZON_STEPS, mean_db.size)], "apart")
    add("Add", [add("Mul", [x, "scale"], "unscaled"), "mean"], OUTPUT)

    graph = helper.make_graph(
        nodes,
        "bandwatch-cnn-lstm",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", HISTORY_STEPS, mean_db.size])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", HORIZON_STEPS, mean_db.size])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="bandwatch")
    model.ir_version = IR_VERSION  # the oldest that knows this opset, so that older runtimes load it
    checker.check_model(model)
    return model


def _lstm_constants(weights: Mapping[str, Float32], name: str) -> dict[str, np.ndarray]:
    """The gates from torch's order i, f, g, o into ONNX' i, o, f, g; one direction in front."""

    def ordered(array: Float32) -> Float32:
        put, keep, value, out = np.split(array, 4)
        return np.concatenate([put, out, keep, value])

    biases = [ordered(weights[f"{name}.bias_{part}_l0"]) for part in ("ih", "hh")]
    return {
        f"{name}.input": ordered(weights[f"{name}.weight_ih_l0"])[np.newaxis],
        f"{name}.state": ordered(weights[f"{name}.weight_hh_l0"])[np.newaxis],
        f"{name}.bias": np.concatenate(biases)[np.newaxis],
    }
