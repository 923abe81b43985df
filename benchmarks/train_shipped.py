"""Build the shipped bundle, `models/shipped`, from nothing: encoder, band model and CNN-LSTM.

    nice -n 5 python benchmarks/train_shipped.py --replace

Everything is simulated and seeded: the same command gives the same bundle on the same kind of machine with
the same number of threads. A kill is no loss: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import torch

from bandwatch.models.bundle import shipped_bundle, write_bundle
from bandwatch.models.bundle_training import (
    agreement_with_truth,
    simulated_band_model,
    simulated_windows,
    training_figures,
)
from bandwatch.models.deepcluster import DeepClusterConfig, Epoch, train_encoder
from bandwatch.models.encoder import weights_of
from bandwatch.models.engine import open_engine
from bandwatch.models.forecast_training import train_simulated_cnn_lstm


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    started = time.monotonic()
    work = options.out.parent / f".{options.out.name}.training"
    config = DeepClusterConfig(
        width=options.width,
        cycle=options.cycle,
        epochs=options.epochs,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )
    windows = simulated_windows(options.seed, options.bands, options.windows)
    print(f"{len(windows)} windows of {options.bands} simulated bands", flush=True)

    def tell(epoch: Epoch) -> None:
        agreement = "" if epoch.nmi is None else f", agrees with the clustering before: NMI {epoch.nmi:.3f}"
        print(
            f"epoch {epoch.number + 1}/{config.epochs}: loss {epoch.loss:.4f}, "
            f"accuracy {epoch.accuracy:.3f}{agreement} ({time.monotonic() - started:.0f} s)",
            flush=True,
        )

    encoder, epochs = train_encoder(windows, config, checkpoint=work / "encoder.checkpoint", on_epoch=tell)
    weights = weights_of(encoder)
    embed = open_engine(weights, config.width, device="cpu", threads=options.threads).embed
    band_model = simulated_band_model(embed, options.seed)
    figures = training_figures(epochs) | agreement_with_truth(embed, band_model, options.seed)
    print(figures, flush=True)
    forecaster = train_simulated_cnn_lstm(options.seed, checkpoint=work / "forecast.checkpoint")
    print(forecaster.figures, flush=True)

    if options.replace and options.out.exists():
        shutil.rmtree(options.out)
    name = write_bundle(
        options.out,
        weights,
        config.width,
        models={("simulated", "srd-868"): [band_model, forecaster]},
        training={
            "command": _command(options),
            "data": f"{options.bands} varied simulated bands, seeds {options.seed + 1} to "
            f"{options.seed + options.bands}",
            "windows": len(windows),
            "clusters": config.clusters,
            "components": config.components,
            "whitened": config.whiten,
            "cycle": config.cycle,
            "epochs": config.epochs,
            "optimizer": f"{config.optimizer}, learning rate {config.learning_rate:g}",
            "augmented": config.augmented,
            "seed": config.seed,
            "threads": options.threads,
            "bands": f"simulated/srd-868: {band_model.windows} windows of seed {options.seed}",
        },
        figures=figures | {"forecast": dict(forecaster.figures)},
    )
    shutil.rmtree(work)
    print(f"{options.out}: bundle {name[:12]} in {time.monotonic() - started:.0f} s")


def _command(options: argparse.Namespace) -> str:
    """What gives this bundle again, wherever it is written to."""
    given = {name: value for name, value in vars(options).items() if name not in ("out", "replace")}
    return "python benchmarks/train_shipped.py " + " ".join(
        f"--{name.replace('_', '-')} {value}" for name, value in given.items()
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=shipped_bundle())
    parser.add_argument("--replace", action="store_true", help="remove the bundle that is there")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--bands", type=int, default=192)
    parser.add_argument("--windows", type=int, default=12288)
    parser.add_argument("--cycle", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--optimizer", choices=["adam", "sgd"], default=DeepClusterConfig().optimizer)
    parser.add_argument("--learning-rate", type=float, default=DeepClusterConfig().learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
