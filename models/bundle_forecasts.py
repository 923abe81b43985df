"""Forecast models into a bundle: a new one, as bundles never change, with all else as it was."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from .bundle import BANDS_FOLDER, ENCODER_FILE, OF_THE_TRAINING, Bundle, Saves, write_bundle
from .encoder_weights import read_weights
from .forecasters.cnn_lstm import DESCRIPTION_FILE, WEIGHTS_FILE, CnnLstm


class _CopiedParts:
    """Parts of another bundle, as they are."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for file in self._files:
            shutil.copyfile(file, folder / file.name)


def add_forecasts(base: Bundle, out: Path, forecasts: Mapping[tuple[str, str], CnnLstm]) -> str:
    """Write a copy of a bundle with the forecast models of these (node, band); return its hash.

    Other bands keep theirs. The manifest says, under `training.forecast`, which bundle it came from and how
    each model was trained. Raises BadInput where `out` is there already.
    """
    models: dict[tuple[str, str], list[Saves]] = {}
    for node, band in sorted({*base.bands(), *forecasts}):
        forecast = forecasts.get((node, band))
        replaced = {DESCRIPTION_FILE, WEIGHTS_FILE} if forecast is not None else set()
        prefix = f"{BANDS_FOLDER}/{node}/{band}/"
        files = [base.part(part) for part in base.manifest.parts if part.startswith(prefix)]
        models[node, band] = [_CopiedParts([file for file in files if file.name not in replaced])]
        if forecast is not None:
            models[node, band].append(forecast)
    trained = {f"{node}/{band}": dict(model.figures) for (node, band), model in sorted(forecasts.items())}
    before = base.manifest.training.get("forecast") or {}
    return write_bundle(
        out,
        read_weights(base.part(ENCODER_FILE), base.manifest.width),
        base.manifest.width,
        models=models,
        of_the_training=[
            _CopiedParts([base.part(part)]) for part in OF_THE_TRAINING if part in base.manifest.parts
        ],
        training={**base.manifest.training, "forecast": {**before, **trained, "added_to": base.name}},
        figures=base.manifest.figures,
    )
