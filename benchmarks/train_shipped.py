"""Build the shipped bundle, `models/shipped`: encoder, band model and CNN-LSTM.

    nice -n 5 python benchmarks/train_shipped.py --replace

Everything is simulated and seeded: the same command gives the same models on the same kind of machine with
the same number of threads. A kill is no loss: the same command goes on where it was.

Where only the band model or the forecaster are to be made anew, with an encoder that is there:

    nice -n 5 python benchmarks/train_shipped.py --encoder-from models/shipped [--forecast] --replace

That takes the encoder and what its manifest says of its training, fits the band model and measures it
again; the forecaster is taken, too, or trained with `--forecast`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bandwatch.models.bundle import ENCODER_FILE, Bundle, shipped_bundle, write_bundle
from bandwatch.models.bundle_training import (
    agreement_with_truth,
    simulated_band_model,
)
from bandwatch.models.checkpoint import forget_checkpoint
from bandwatch.models.encoder import weights_of
from bandwatch.models.encoder_weights import Weights, read_weights
from bandwatch.models.engine import open_engine
from bandwatch.models.forecast_training import train_cnn_lstm
from bandwatch.models.forecasters.cnn_lstm import CnnLstm
from bandwatch.models.precision import chosen_precision
from bandwatch.models.step_table import gather_steps, simulated_rows
from bandwatch.models.taught_encoder import TaughtConfig, TaughtEpoch, teach_encoder
from bandwatch.models.taught_windows import taught_bands, taught_windows
from bandwatch.pipeline.errors import BadInput

BAND = ("simulated", "srd-868")
FORECAST_STEPS, FORECAST_STEP_S = 1440, 60.0
# Of the options, what has no part in what comes out.
UNRECORDED = ("out", "replace", "encoder_from", "forecast", "processes")


@dataclass(frozen=True, slots=True)
class Trained:
    """An encoder, how it was trained and how far it came; and a forecaster, if it has one already."""

    weights: Weights
    width: int
    seed: int
    training: Mapping[str, Any]
    figures: Mapping[str, Any]
    forecaster: CnnLstm | None


def main() -> None:
    options = _options()
    started = time.monotonic()
    if options.out.exists() and not options.replace:
        raise BadInput(f"--out {options.out}: is there already; --replace puts the new one in its place")
    torch.set_num_threads(options.threads)
    work = options.out.parent / f".{options.out.name}.training"
    encoder_checkpoint, forecast_checkpoint = work / "encoder.checkpoint", work / "forecast.checkpoint"
    if options.encoder_from:
        trained = _trained_before(options.encoder_from, options.forecast)
    else:
        trained = _train(options, encoder_checkpoint, started)

    embed = open_engine(trained.weights, trained.width, device="cpu", threads=options.threads).embed
    whiten = trained.training.get("whitened") is True
    band_model = simulated_band_model(embed, trained.seed, whiten=whiten)
    figures = dict(trained.figures) | agreement_with_truth(embed, band_model, trained.seed, whiten=whiten)
    print(figures, flush=True)
    forecaster = trained.forecaster
    if forecaster is None:
        (table,) = gather_steps([simulated_rows(trained.seed, FORECAST_STEPS, FORECAST_STEP_S)])
        forecaster = train_cnn_lstm(table, seed=trained.seed, checkpoint=forecast_checkpoint)
    print(forecaster.figures, flush=True)

    name = _write(
        options.out,
        trained,
        [band_model, forecaster],
        training={
            **trained.training,
            "bands": f"{'/'.join(BAND)}: {band_model.windows} windows of seed {trained.seed}",
        },
        figures=figures | {"forecast": dict(forecaster.figures)},
    )
    forget_checkpoint(encoder_checkpoint)
    forget_checkpoint(forecast_checkpoint)
    print(f"{options.out}: bundle {name[:12]} in {time.monotonic() - started:.0f} s")


def _train(options: argparse.Namespace, checkpoint: Path, started: float) -> Trained:
    config = TaughtConfig(
        width=options.width,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )
    bands = taught_bands(options.seed, options.varied_bands, options.broad_bands)
    taught = taught_windows(bands, options.windows_a_band, processes=options.processes)
    print(
        f"{len(taught)} windows of {len(bands)} simulated bands, {len(taught.kinds)} kinds "
        f"({time.monotonic() - started:.0f} s)",
        flush=True,
    )

    def tell(epoch: TaughtEpoch) -> None:
        print(
            f"epoch {epoch.number + 1}/{config.epochs}: loss {epoch.loss:.4f} (kinds that show "
            f"{epoch.shows_loss:.4f}, main kind {epoch.main_loss:.4f}, measures {epoch.measures_loss:.4f}), "
            f"main kind told {epoch.accuracy:.3f} ({time.monotonic() - started:.0f} s)",
            flush=True,
        )

    network, epochs = teach_encoder(taught, config, checkpoint=checkpoint, on_epoch=tell)
    training = {
        "command": _command(options),
        "method": "taught what simulated windows show (models/taught_encoder.py)",
        "data": f"{options.varied_bands} varied and {options.broad_bands} broad simulated bands, "
        f"seeds from {bands[0][1]} on",
        "windows": len(taught),
        "kinds": list(taught.kinds),
        "epochs": config.epochs,
        "precision": chosen_precision(config.precision, "cpu"),
        "seed": config.seed,
        "threads": options.threads,
    }
    figures = {
        "loss_by_epoch": [round(epoch.loss, 4) for epoch in epochs],
        "main_kind_told": round(epochs[-1].accuracy, 4),
    }
    return Trained(weights_of(network.encoder), config.width, config.seed, training, figures, forecaster=None)


def _trained_before(path: Path, forecast: bool) -> Trained:
    """What a bundle holds, its forecaster left out if a new one is asked for."""
    bundle = Bundle.load(path, device="cpu")
    manifest = bundle.manifest
    if not isinstance(manifest.training.get("seed"), int):
        raise BadInput(f"--encoder-from {path}: its manifest names no seed")
    return Trained(
        weights=read_weights(bundle.part(ENCODER_FILE), manifest.width),
        width=manifest.width,
        seed=manifest.training["seed"],
        training=manifest.training,
        figures=manifest.figures,
        forecaster=None if forecast else bundle.cnn_lstm(*BAND),
    )


def _write(out: Path, trained: Trained, models: list[Any], **facts: Mapping[str, Any]) -> str:
    """Write the bundle beside its place, and put it there once it is whole; return its hash."""
    new, old = out.with_name(f".{out.name}.new"), out.with_name(f".{out.name}.old")
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    name = write_bundle(new, trained.weights, trained.width, models={BAND: models}, **facts)
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)
    return name


def _command(options: argparse.Namespace) -> str:
    """What gives this bundle again, wherever it is written to."""
    given = {name: value for name, value in vars(options).items() if name not in UNRECORDED}
    return "python benchmarks/train_shipped.py " + " ".join(
        f"--{name.replace('_', '-')} {value}" for name, value in given.items()
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=shipped_bundle())
    parser.add_argument("--replace", action="store_true", help="take the place of the bundle that is there")
    parser.add_argument("--encoder-from", type=Path, metavar="BUNDLE", help="take its encoder, train none")
    parser.add_argument("--forecast", action="store_true", help="with --encoder-from: train it anew")
    taught = TaughtConfig()
    parser.add_argument("--width", type=int, default=taught.width)
    parser.add_argument("--varied-bands", type=int, default=576)
    parser.add_argument("--broad-bands", type=int, default=768)
    parser.add_argument("--windows-a-band", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=taught.epochs)
    parser.add_argument("--learning-rate", type=float, default=taught.learning_rate)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="that simulate")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BadInput as refusal:
        sys.exit(str(refusal))
