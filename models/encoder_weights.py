"""The encoder's weights as plain arrays: which there are, read and checked, batch norms folded. No torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ..pipeline.frames import Float32
from .tensor_file import read_tensors, write_tensors

Weights = dict[str, Float32]

NORM_EPSILON = 1e-5

# Channels in, channels out (both in widths) and stride of the eight blocks.
BLOCKS = ((1, 1, 1), (1, 1, 1), (1, 2, 2), (2, 2, 1), (2, 4, 2), (4, 4, 1), (4, 8, 2), (8, 8, 1))


def convolutions(width: int) -> list[tuple[str, str, tuple[int, int, int, int]]]:
    """Every convolution, the batch norm after it, and its kernel's shape [out, in, rows, columns]."""
    layers: list[tuple[str, str, tuple[int, int, int, int]]] = [
        ("stem.conv", "stem.norm", (width, 1, 7, 7)),
    ]
    for index, (before, after, stride) in enumerate(BLOCKS):
        channels_in, channels_out = before * width, after * width
        block = f"blocks.{index}"
        layers.append((f"{block}.conv1", f"{block}.norm1", (channels_out, channels_in, 3, 3)))
        layers.append((f"{block}.conv2", f"{block}.norm2", (channels_out, channels_out, 3, 3)))
        if stride != 1 or before != after:
            layers.append((f"{block}.shortcut.0", f"{block}.shortcut.1", (channels_out, channels_in, 1, 1)))
    return layers


def expected_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """The shape of each array an encoder of this width has."""
    shapes: dict[str, tuple[int, ...]] = {}
    for convolution, norm, kernel in convolutions(width):
        shapes[f"{convolution}.weight"] = kernel
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{part}"] = kernel[:1]
    return shapes


def read_weights(path: Path, width: int) -> Weights:
    """Read `encoder.safetensors`; BadInput if an array is missing, foreign, misshapen or not finite."""
    return read_tensors(path, expected_shapes(width))


def write_weights(path: Path, weights: Weights) -> None:
    """Write `encoder.safetensors`."""
    write_tensors(path, weights)


def digest(weights: Weights) -> str:
    """SHA-256 of names and values, in hex: the same weights have the same digest however stored."""
    sha = hashlib.sha256()
    for name in sorted(weights):
        sha.update(name.encode())
        sha.update(np.ascontiguousarray(weights[name], dtype="<f4").tobytes())
    return sha.hexdigest()


def folded(weights: Weights, convolution: str, norm: str) -> tuple[Float32, Float32]:
    """Kernel and bias of a convolution that also does the batch norm after it.

    norm(conv(x)) = (conv(x) - mean) * gain + bias, gain = weight / sqrt(variance + epsilon).
    """
    variance = weights[f"{norm}.running_var"].astype(np.float64)
    gain = weights[f"{norm}.weight"] / np.sqrt(variance + NORM_EPSILON)
    kernel = weights[f"{convolution}.weight"] * gain[:, None, None, None]
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
    return kernel.astype(np.float32), bias.astype(np.float32)
