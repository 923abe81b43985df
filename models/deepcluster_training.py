"""A DeepCluster training as it stands: networks, optimisers, pseudo-labels; an epoch at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from .augmentation import augment
from .checkpoint import give_tensors_to_parts, tensors_of, tensors_of_parts
from .deepcluster_config import DeepClusterConfig
from .encoder import Encoder, EncoderConfig
from .head import Head
from .head_fitting import fit_head
from .precision import chosen_precision
from .pseudo_labels import Clustering, changed_share, check_components, cluster, even_draw
from .training_curves import Epoch
from .training_seeds import seed_for, seeded

ENCODE_BATCH = 256
Windows = NDArray[np.float16] | Float32


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a training gives: the encoder, in evaluation mode, the head that names its final clusters, those
    of the training windows, int64 [n], and every epoch.

    `figures` say how the final clustering agrees with the last one of the epochs (`nmi_final_clustering`,
    `changed_final_clustering`), how even its clusters are (`size_entropy`), how much its components explain
    (`components_kept`, `variance_kept`), and the share of windows whose cluster the head names: of all
    (`head_agreement`), of the cluster where it is least (`head_agreement_worst`), and before the head was
    fitted to the final clusters (`head_agreement_matched`).
    """

    encoder: Encoder
    head: Head
    labels: Int64
    epochs: list[Epoch]
    figures: dict[str, float]


class Training:
    """The state of a training: networks, optimisers, pseudo-labels and what the epochs came to."""

    def __init__(self, windows: Windows, config: DeepClusterConfig, device: str) -> None:
        check_components(config.components)
        if len(windows) < 2 * config.clusters:
            raise BadInput(
                f"{len(windows)} training windows: {config.clusters} clusters need at least "
                f"{2 * config.clusters}"
            )
        self.epochs: list[Epoch] = []
        self._windows = torch.from_numpy(windows)
        self._config = replace(config, precision=chosen_precision(config.precision, device))
        self._device = torch.device(device)
        with seeded(config.seed):
            self.encoder = Encoder(EncoderConfig(config.width))
        self.encoder.to(self._device)
        self.encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._optimizer = _optimizer(self.encoder, config)
        self._labels: Int64 = np.zeros(0, dtype=np.int64)
        self._new_head(0)

    def run_epoch(self, on_batch: Callable[[], None], clock: Callable[[], float]) -> None:
        started = clock()
        number = len(self.epochs)
        due = number % self._config.cycle == 0
        clustered = self._recluster(number) if due else {}
        random = torch.Generator().manual_seed(seed_for(self._config.seed, "epoch", number))
        order = even_draw(self._labels, len(self._windows), random)
        labels = torch.from_numpy(self._labels)[order]
        self.encoder.train()
        losses = hits = 0.0
        for picked, wanted in zip(
            order.split(self._config.batch), labels.split(self._config.batch), strict=True
        ):
            loss, hit = self._learn(picked, wanted.to(self._device), random)
            losses += loss * len(picked)
            hits += hit
            on_batch()
        self.epochs.append(
            Epoch(
                number,
                losses / len(order),
                hits / len(order),
                due,
                clustered.get("nmi"),
                clustered.get("changed"),
                clustered.get("size_entropy"),
                round(clock() - started, 3),
            )
        )

    def finished(self) -> Trained:
        """All windows clustered once more, and the head fitted to that."""
        features = self._features()
        clustering = self._cluster(features, len(self.epochs))
        layer = {name: array.astype(np.float32) for name, array in tensors_of(self._head).items()}
        fit = fit_head(features, clustering, layer["weight"], layer["bias"])
        figures = {f"{name}_final_clustering": value for name, value in self._moved(clustering).items()}
        figures |= {
            "size_entropy": clustering.size_entropy,
            "components_kept": clustering.projection.component_count,
            "variance_kept": float(clustering.projection.variance_ratio.sum()),
            "head_agreement": fit.agreement,
            "head_agreement_worst": fit.worst,
            "head_agreement_matched": fit.matched,
        }
        return Trained(self.encoder.eval(), fit.head, clustering.labels, list(self.epochs), figures)

    def _learn(self, picked: Tensor, wanted: Tensor, random: torch.Generator) -> tuple[float, int]:
        batch = self._windows[picked].float()  # [b, 128, 128]
        if self._config.augmented:
            batch = augment(batch, random)
        narrow = self._config.precision == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=narrow):
            features = self.encoder(self._images(batch))
        scores = self._head(features.float())  # [b, clusters]
        loss = nn.functional.cross_entropy(scores, wanted)
        for optimizer in (self._optimizer, self._head_optimizer):
            optimizer.zero_grad()
        loss.backward()
        for optimizer in (self._optimizer, self._head_optimizer):
            optimizer.step()
        return float(loss.detach()), int((scores.argmax(1) == wanted).sum())

    def _recluster(self, number: int) -> dict[str, float]:
        clustering = self._cluster(self._features(), number)
        found = {"size_entropy": clustering.size_entropy}
        if self._labels.size:
            found |= self._moved(clustering)
        self._labels = clustering.labels
        self._new_head(number)
        return found

    def _cluster(self, features: Float32, number: int) -> Clustering:
        return cluster(
            features,
            clusters=self._config.clusters,
            components=self._config.components,
            whiten=self._config.whiten,
            seed=seed_for(self._config.seed, "k-means", number),
        )

    def _moved(self, clustering: Clustering) -> dict[str, float]:
        """How a clustering differs from the one before."""
        from sklearn.metrics import normalized_mutual_info_score

        return {
            "nmi": float(normalized_mutual_info_score(self._labels, clustering.labels)),
            "changed": changed_share(self._labels, clustering.labels),
        }

    def _features(self) -> Float32:
        self.encoder.eval()
        with torch.no_grad():
            parts = [
                self.encoder(self._images(part.float())).cpu() for part in self._windows.split(ENCODE_BATCH)
            ]
        return torch.cat(parts).numpy()

    def _images(self, windows: Tensor) -> Tensor:
        # Channels last is a third faster on a processor.
        return windows[:, None].to(device=self._device, memory_format=torch.channels_last)

    def _new_head(self, number: int) -> None:
        with seeded(seed_for(self._config.seed, "head", number)):
            self._head = nn.Linear(self.encoder.config.dimensions, self._config.clusters)
        self._head.to(self._device)
        self._head_optimizer = _optimizer(self._head, self._config)

    def fingerprint(self) -> str:
        """Of all that decides the course of the training; how many epochs it goes on is not part of it. With
        `auto`, the precision that it came to is."""
        sha = hashlib.sha256(json.dumps(asdict(replace(self._config, epochs=0))).encode())
        sha.update(np.ascontiguousarray(self._windows.numpy()).data.cast("B"))
        return sha.hexdigest()

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and facts from which `restore` goes on."""
        arrays: dict[str, NDArray[Any]] = {"labels": self._labels}
        arrays |= tensors_of_parts(self._parts())
        return arrays, {"epochs": [asdict(epoch) for epoch in self.epochs]}

    def restore(self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        give_tensors_to_parts(self._parts(), arrays)
        self._labels = arrays["labels"]
        self.epochs = [Epoch(**epoch) for epoch in facts["epochs"]]

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "encoder": self.encoder,
            "head": self._head,
            "optimizer": self._optimizer,
            "head_optimizer": self._head_optimizer,
        }


def _optimizer(module: nn.Module, config: DeepClusterConfig) -> torch.optim.Optimizer:
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            module.parameters(), config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
        )
    return torch.optim.Adam(module.parameters(), config.learning_rate, weight_decay=config.weight_decay)
