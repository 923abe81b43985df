"""The bundle that the settings name, loaded, and where its inference graphs are kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..config.schema import Models, Settings
from ..models.bundle import Bundle, shipped_bundle
from ..models.manifest import MANIFEST_FILE
from ..models.tensor_file import sha256_of
from ..pipeline.errors import BadInput
from .telemetry import Telemetry


def load_bundle(settings: Settings, telemetry: Telemetry) -> Bundle:
    """Raises BadInput for a bundle or device that cannot be used."""
    models = settings.models
    path = bundle_path(models)
    bundle = Bundle.load(
        path,
        device=models.device,
        threads=models.threads,
        cache_directory=_cache_directory(settings.store.directory.expanduser(), telemetry),
    )
    telemetry.bundle_loaded(bundle.name, str(path), bundle.device)
    return bundle


def bundle_hash(models: Models) -> str:
    """The hash of the bundle that the settings name, as it is on the disk now; BadInput without one."""
    manifest = bundle_path(models) / MANIFEST_FILE
    try:
        return sha256_of(manifest)
    except BadInput:
        raise BadInput(f"models.bundle: {manifest.parent} has no {MANIFEST_FILE}") from None


def bundle_path(models: Models) -> Path:
    return shipped_bundle() if models.bundle == "shipped" else models.bundle.expanduser()


def _cache_directory(wanted: Path, telemetry: Telemetry) -> Path | None:
    """The store's directory; None where it cannot be written: the graph is then built at each start."""
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except OSError as error:
        telemetry.bad_input(f"store.directory: {wanted}: {error.strerror}; nothing is kept between starts")
        return None
