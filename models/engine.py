"""What runs the encoder: ONNX Runtime on the processor, torch on a GPU, one interface, equal numbers."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    RuntimeException,
)

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS
from .encoder_weights import Weights, digest
from .tensor_file import write_atomically

ORT_BATCH = 32  # bounds the runtime's memory: about 1.3 MB a window at width 16
TORCH_BATCH = 64
GRAPH_VERSION = 1  # of what `encoder_onnx` builds: a new one makes cached graphs unused

_NO_GOOD_GRAPH = (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    RuntimeException,
)

# Any of these says that an NVIDIA GPU may be here: a driver, a Jetson's, Windows' own.
GPU_DEVICE_FILES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg")


class Engine(Protocol):
    """Runs an encoder. What a window gives does not depend, to the bit, on which others come with it."""

    device: str
    dimensions: int

    def embed(self, windows: Float32) -> Float32:
        """Shape: float32 [n, 128, 128], contiguous, in [0, 1] -> float32 [n, dimensions]."""
        ...


class OrtEngine:
    """ONNX Runtime on the processor, float32, sequential; its threads sleep when there is nothing to do."""

    device = "cpu"

    def __init__(self, weights: Weights, width: int, *, threads: int, cache_directory: Path | None) -> None:
        self.dimensions = 8 * width
        self.threads = threads
        self._session = _cached_session(weights, width, threads, cache_directory)

    def embed(self, windows: Float32) -> Float32:
        features = np.empty((windows.shape[0], self.dimensions), dtype=np.float32)
        for first in range(0, windows.shape[0], ORT_BATCH):
            outputs: Any = self._session.run(None, {"windows": windows[first : first + ORT_BATCH]})
            features[first : first + ORT_BATCH] = outputs[0]
        return features


class TorchEngine:
    """Torch eager, float32 without TF32.

    Windows always go in batches of one size, the last one padded: libraries choose their algorithms by
    the batch's size, and the bits with them.
    """

    def __init__(self, weights: Weights, width: int, *, device: str, batch: int = TORCH_BATCH) -> None:
        from .encoder import encoder_with  # torch takes seconds and 200 MB: only who needs it loads it

        self.dimensions = 8 * width
        self.device = device
        self._batch = batch
        self._encoder = encoder_with(weights, width).to(device)

    def embed(self, windows: Float32) -> Float32:
        import torch

        features = np.empty((windows.shape[0], self.dimensions), dtype=np.float32)
        padded = torch.zeros((self._batch, 1, WINDOW_ROWS, WINDOW_BINS))
        with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
            for first in range(0, windows.shape[0], self._batch):
                part = windows[first : first + self._batch]
                padded.zero_()
                padded[: len(part), 0] = torch.from_numpy(np.array(part))
                outputs = self._encoder(padded.to(self.device))
                features[first : first + len(part)] = outputs[: len(part)].cpu().numpy()
        return features


def open_engine(
    weights: Weights,
    width: int,
    *,
    device: str = "auto",
    cache_directory: Path | None = None,
    threads: int | None = None,
) -> Engine:
    """The engine for a device: `auto`, `cpu`, `cuda` or `cuda:<n>`; BadInput for any that is not there.

    `auto` is a CUDA device if torch finds one, else the processor. `threads` (processor only) is by
    default one less than the cores this process may use, at least one. The ONNX graph is kept in
    `cache_directory` if given, so that it is built once.
    """
    chosen = choose_device(device)
    if chosen != "cpu":
        return TorchEngine(weights, width, device=chosen)
    if threads is None:
        threads = max(1, len(os.sched_getaffinity(0)) - 1)
    return OrtEngine(weights, width, threads=threads, cache_directory=cache_directory)


def choose_device(device: str) -> str:
    """`cpu` or `cuda:<n>`, for a device as asked for. Torch is not loaded where no GPU can be."""
    if device == "cpu":
        return "cpu"
    if device == "auto":
        return "cuda:0" if _gpu_may_be_here() and _cuda_devices() else "cpu"
    name, _, number = device.partition(":")
    if name != "cuda" or (":" in device and not number.isdecimal()):
        raise BadInput(f"device {device!r} is unknown: auto, cpu, cuda or cuda:<number>")
    found = _cuda_devices() if _gpu_may_be_here() else 0
    if int(number or 0) >= found:
        raise BadInput(f"device {device!r} is not here: torch finds {found} CUDA devices")
    return f"cuda:{int(number or 0)}"


def _gpu_may_be_here() -> bool:
    return any(Path(name).exists() for name in GPU_DEVICE_FILES)


def _cuda_devices() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _cached_session(
    weights: Weights, width: int, threads: int, cache_directory: Path | None
) -> onnxruntime.InferenceSession:
    """The session, its graph from the cache if there is a good one, else built and kept there.

    A cached graph's name ends in its SHA-256.
    """
    if cache_directory is None:
        return ort_session(_graph(weights, width), threads)
    name = f"encoder-{digest(weights)[:16]}-{GRAPH_VERSION}"
    for path in sorted(cache_directory.glob(f"{name}-*.onnx")):
        # What another version of the runtime cannot read, or a failing disk spoilt, is built again below.
        with contextlib.suppress(*_NO_GOOD_GRAPH, OSError):
            graph = path.read_bytes()
            # Weights with a few wrong bits make a valid graph and wrong features.
            if path.stem == f"{name}-{hashlib.sha256(graph).hexdigest()}":
                return ort_session(graph, threads)
    graph = _graph(weights, width)
    path = cache_directory / f"{name}-{hashlib.sha256(graph).hexdigest()}.onnx"
    # A full or read-only disk costs the next start a tenth of a second: no reason not to start now.
    with contextlib.suppress(OSError):
        cache_directory.mkdir(parents=True, exist_ok=True)
        write_atomically(path, graph)
    return ort_session(graph, threads)


def _graph(weights: Weights, width: int) -> bytes:
    from .encoder_onnx import encoder_graph  # with a warm cache the onnx package is never loaded

    return encoder_graph(weights, width).SerializeToString()


def ort_session(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Of a graph, sequential; its threads sleep when there is nothing to do."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
