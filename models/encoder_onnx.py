"""The encoder as an ONNX graph, built from its weights: no torch, batch norms folded."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from ..pipeline.frames import Float32
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS
from .encoder_weights import BLOCKS, Weights, convolutions, folded

OPSET = 17
IR_VERSION = 8
INPUT, OUTPUT = "windows", "features"


def encoder_graph(weights: Weights, width: int) -> ModelProto:
    """The graph of an encoder in evaluation mode.

    Shape: input `windows` float32 [n, 128, 128] -> output `features` float32 [n, 8 * width]; n is free.
    """
    nodes: list[NodeProto] = []
    constants: dict[str, Float32] = {}
    norm_of = {convolution: norm for convolution, norm, _ in convolutions(width)}

    def add(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolve(x: str, convolution: str, stride: int) -> str:
        kernel, bias = folded(weights, convolution, norm_of[convolution])
        constants[f"{convolution}.kernel"], constants[f"{convolution}.bias"] = kernel, bias
        size = kernel.shape[2]
        return add(
            "Conv",
            [x, f"{convolution}.kernel", f"{convolution}.bias"],
            convolution,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
        )

    x = add("Unsqueeze", [INPUT, "channel_axis"], "image")  # [n, 1, 128, 128]
    x = add("Relu", [convolve(x, "stem.conv", 2)], "stem.relu")  # [n, w, 64, 64]
    x = add("MaxPool", [x], "stem.pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)  # [n, w, 32, 32]
    for index, (_, _, stride) in enumerate(BLOCKS):
        block = f"blocks.{index}"
        inner = add("Relu", [convolve(x, f"{block}.conv1", stride)], f"{block}.relu1")
        inner = convolve(inner, f"{block}.conv2", 1)
        shortcut = f"{block}.shortcut.0"
        beside = convolve(x, shortcut, stride) if shortcut in norm_of else x
        x = add("Relu", [add("Add", [inner, beside], f"{block}.sum")], f"{block}.relu2")
    x = add("GlobalAveragePool", [x], "pooled")  # [n, 8w, 1, 1]
    add("Flatten", [x], OUTPUT, axis=1)  # [n, 8w]

    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "channel_axis"))
    graph = helper.make_graph(
        nodes,
        "bandwatch-encoder",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", WINDOW_ROWS, WINDOW_BINS])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", 8 * width])],
        initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="bandwatch"
    )
    model.ir_version = IR_VERSION  # the oldest that knows this opset, so that older runtimes load it
    checker.check_model(model)
    return model
