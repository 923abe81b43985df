"""A bundle: an immutable folder of an encoder and band models, verified before anything of it is used."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS
from .activity import BandModel
from .encoder_weights import Weights, expected_shapes, read_weights, write_weights
from .engine import Engine, open_engine
from .head import HEAD_FILE, Head
from .manifest import MANIFEST_FILE, Manifest, read_manifest
from .tensor_file import sha256_of, write_atomically
from .training_curves import CURVES_FILE, TrainingCurves

if TYPE_CHECKING:
    from .forecasters.cnn_lstm import CnnLstm

ENCODER_FILE = "encoder.safetensors"
BANDS_FOLDER = "bands"
OF_THE_TRAINING = (HEAD_FILE, CURVES_FILE)
BAND_PARTS = (("activity.yaml", "activity.safetensors"), ("forecast.yaml", "forecast.safetensors"))

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def shipped_bundle() -> Path:
    """The bundle that comes with the package."""
    return Path(__file__).parent / "shipped"


class Bundle:
    """A loaded bundle. `hash` is the SHA-256 of its manifest, in hex, and so of everything in it; `name` is
    the first 12 digits."""

    def __init__(self, path: Path, manifest: Manifest, sha256: str, engine: Engine) -> None:
        self.path = path
        self.manifest = manifest
        self.hash = sha256
        self.engine = engine

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        cache_directory: Path | None = None,
        threads: int | None = None,
    ) -> Bundle:
        """Verify a bundle and open its encoder on a device (see `open_engine`).

        Raises BadInput, one line, for a folder or manifest that is not there, another version, a part that
        is missing or is not what the manifest says, weights that do not fit, and a device that is not here.
        """
        path = Path(path)
        manifest = read_manifest(path)
        if ENCODER_FILE not in manifest.parts:
            raise BadInput(f"bundle {path}: its manifest names no {ENCODER_FILE}")
        for name in manifest.parts:
            _require_whole_model(path, manifest, name)
            _verified(path, manifest, name)
        weights = read_weights(path / ENCODER_FILE, manifest.width)
        engine = open_engine(
            weights, manifest.width, device=device, cache_directory=cache_directory, threads=threads
        )
        return cls(path, manifest, sha256_of(path / MANIFEST_FILE), engine)

    @property
    def name(self) -> str:
        return self.hash[:12]

    @property
    def device(self) -> str:
        """Where the encoder runs: `cpu` or `cuda:<n>`."""
        return self.engine.device

    @property
    def dimensions(self) -> int:
        """Features of a window."""
        return self.manifest.dimensions

    def embed(self, windows: Float32) -> Float32:
        """The features of windows.

        Shape: floats [n, 128, 128] in [0, 1] -> float32 [n, dimensions]. A window's features do not depend,
        to the bit, on those that come with it. Raises BadInput for another shape, NaN, or values outside.
        """
        windows = np.asarray(windows)
        if windows.ndim != 3 or windows.shape[1:] != (WINDOW_ROWS, WINDOW_BINS):
            raise BadInput(f"windows of shape {list(windows.shape)}, needs [n, {WINDOW_ROWS}, {WINDOW_BINS}]")
        if not np.issubdtype(windows.dtype, np.floating):
            raise BadInput(f"windows of {windows.dtype}, needs float32")
        if windows.size:
            least, most = float(windows.min()), float(windows.max())
            if not (least >= 0 and most <= 1):  # so that NaN fails, too
                raise BadInput(f"windows hold values from {least:g} to {most:g}, needs 0 to 1")
        return self.engine.embed(np.ascontiguousarray(windows, dtype=np.float32))

    def band_model(self, node: str, band: str) -> BandModel | None:
        """The model of a band's activity, or None if the bundle has none."""
        folder = self._band_folder(node, band, "activity.yaml")
        if folder is None:
            return None
        model = BandModel.load(folder)
        if model.projection.dimensions != self.dimensions:
            raise BadInput(
                f"bundle {self.path}: the model of {node}/{band} takes {model.projection.dimensions} "
                f"features, the encoder gives {self.dimensions}"
            )
        return model

    def head(self) -> Head | None:
        """The head over the encoder that names the training's clusters, or None if the bundle has none."""
        if HEAD_FILE not in self.manifest.parts:
            return None
        return Head.load(self.part(HEAD_FILE), self.dimensions)

    def curves(self) -> TrainingCurves | None:
        """What the epochs of the encoder's training came to, or None if the bundle does not say."""
        if CURVES_FILE not in self.manifest.parts:
            return None
        return TrainingCurves.load(self.part(CURVES_FILE))

    def cnn_lstm(self, node: str, band: str) -> CnnLstm | None:
        """The CNN-LSTM of a band, or None if the bundle has none."""
        folder = self._band_folder(node, band, "forecast.yaml")
        if folder is None:
            return None
        from .forecasters.cnn_lstm import CnnLstm

        return CnnLstm.load(folder)

    def bands(self) -> list[tuple[str, str]]:
        """Node and band of every band with models of its own."""
        found = (name.split("/") for name in self.manifest.parts)
        return sorted(
            {(parts[1], parts[2]) for parts in found if len(parts) == 4 and parts[0] == BANDS_FOLDER}
        )

    def part(self, name: str) -> Path:
        """Where a part lies, verified again; BadInput if it has changed since the bundle was loaded."""
        return _verified(self.path, self.manifest, name)

    def _band_folder(self, node: str, band: str, part: str) -> Path | None:
        """The folder of a band's model, its files verified; None if the manifest does not name it."""
        folder = f"{BANDS_FOLDER}/{node}/{band}"
        if f"{folder}/{part}" not in self.manifest.parts:
            return None
        for name in next(parts for parts in BAND_PARTS if part in parts):
            self.part(f"{folder}/{name}")
        return self.path / folder


class Saves(Protocol):
    """A model of a band, or what is left of a training, that knows how to write itself into a folder."""

    def save(self, folder: Path) -> None: ...


def write_bundle(
    path: str | Path,
    weights: Weights,
    width: int,
    *,
    models: Mapping[tuple[str, str], Sequence[Saves]] | None = None,
    of_the_training: Sequence[Saves] = (),
    training: Mapping[str, Any] | None = None,
    figures: Mapping[str, Any] | None = None,
) -> str:
    """Write a bundle; return its hash.

    `models` are those of each (node, band): a BandModel, a CnnLstm or both; `of_the_training` what the
    encoder's training left beside it: its Head, its TrainingCurves. The folder appears whole or not
    at all. Raises BadInput if something is there already, as bundles never change; if weights do not fit the
    width; or if a node's or band's name cannot be a folder's.
    """
    path = Path(path)
    if path.exists():
        raise BadInput(f"bundle {path}: is there already, and bundles never change; write to another folder")
    for name, shape in expected_shapes(width).items():
        if name not in weights or weights[name].shape != shape:
            raise BadInput(f"bundle {path}: weights do not fit an encoder of width {width}: {name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        folder.chmod(0o755)
        write_weights(folder / ENCODER_FILE, weights)
        for left in of_the_training:
            left.save(folder)
        for (node, band), band_models in (models or {}).items():
            band_folder = folder / BANDS_FOLDER / _plain(node) / _plain(band)
            for model in band_models:
                model.save(band_folder)
        manifest = Manifest(width, _hashes(folder), training or {}, figures or {})
        content = manifest.text().encode()
        write_atomically(folder / MANIFEST_FILE, content)
        folder.rename(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _sync_folder(path.parent)
    return hashlib.sha256(content).hexdigest()


def _verified(path: Path, manifest: Manifest, name: str) -> Path:
    if not (path / name).is_file():
        raise BadInput(f"bundle {path}: part {name} is missing")
    expected = manifest.parts[name]
    if (found := sha256_of(path / name)) != expected:
        raise BadInput(
            f"bundle {path}: part {name} has SHA-256 {found[:12]}, its manifest says {expected[:12]}"
        )
    return path / name


def _require_whole_model(path: Path, manifest: Manifest, name: str) -> None:
    """BadInput if a part belongs to a model whose other part the manifest does not name."""
    folder, _, file = name.rpartition("/")
    for parts in BAND_PARTS:
        for other in parts if file in parts and folder else ():
            if f"{folder}/{other}" not in manifest.parts:
                raise BadInput(f"bundle {path}: its manifest names {name} but no {folder}/{other}")


def _plain(name: str) -> str:
    if not _PLAIN_NAME.fullmatch(name):
        raise BadInput(
            f"name {name!r} cannot be a folder's: letters, digits, '.', '_' and '-' only, no '.' first"
        )
    return name


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
