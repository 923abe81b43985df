"""DeepCluster: an encoder taught by its own clusters (Caron et al. 2018, as the first paper adapts it)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from .augmentation import augment
from .checkpoint import give_tensors, load_checkpoint, save_checkpoint, tensors_of
from .clustering import fit_centres, fit_projection
from .encoder import Encoder, EncoderConfig

ENCODE_BATCH = 256


@dataclass(frozen=True, slots=True)
class DeepClusterConfig:
    """How to train. The first paper gives clusters, components and cycle (24, 20, 15) and width 64.

    `cycle` is the epochs between two clusterings; `augmented` allows small changes to the windows;
    `whiten` scales the components to unit variance. `seed` decides every draw.
    """

    width: int = 16
    clusters: int = 24
    components: int = 20
    whiten: bool = True
    cycle: int = 15
    epochs: int = 105
    batch: int = 64
    optimizer: Literal["adam", "sgd"] = "sgd"
    learning_rate: float = 0.05
    weight_decay: float = 1e-5
    augmented: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch came to.

    `loss` is the mean cross-entropy, `accuracy` the share of windows given their pseudo-label. An epoch
    that began with a clustering is `reclustered`, and `nmi` says how far it agrees with the clustering
    before; elsewhere, and at the first, `nmi` is None.
    """

    number: int
    loss: float
    accuracy: float
    reclustered: bool
    nmi: float | None


def train_encoder(
    windows: NDArray[np.float16] | Float32,
    config: DeepClusterConfig,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    on_batch: Callable[[], None] = lambda: None,
) -> tuple[Encoder, list[Epoch]]:
    """Train on windows [n, 128, 128] in [0, 1]; return the encoder, in evaluation mode, and every epoch.

    Every `cycle` epochs all windows are encoded, projected and clustered; the clusters are the labels of
    the next epochs, with a new linear head. Windows are drawn so that each cluster comes equally often.
    With a `checkpoint` path the state is written there after each epoch and taken up from there if the
    file exists: the result is the same, to the bit, as without the interruption (same machine, same
    threads). `on_epoch` is also called for epochs done before; `on_batch` after each step.

    The windows are neither copied nor converted whole.

    Raises BadInput for fewer windows than clusters and for a checkpoint of other settings or windows, or of
    more epochs than asked for.
    """
    training = _Training(windows, config, device)
    fingerprint = training.fingerprint() if checkpoint else ""
    if checkpoint and checkpoint.is_file():
        training.restore(*load_checkpoint(checkpoint, fingerprint))
        if len(training.epochs) > config.epochs:
            raise BadInput(
                f"{checkpoint}: of {len(training.epochs)} epochs, more than the {config.epochs} asked for; "
                "ask for as many or start anew with --no-resume"
            )
    for epoch in training.epochs:
        on_epoch(epoch)
    while len(training.epochs) < config.epochs:
        training.run_epoch(on_batch)
        if checkpoint:
            save_checkpoint(checkpoint, fingerprint, *training.state())
        on_epoch(training.epochs[-1])
    return training.encoder.eval(), list(training.epochs)


class _Training:
    """The state of a training: networks, optimisers, pseudo-labels and what the epochs came to."""

    def __init__(
        self, windows: NDArray[np.float16] | Float32, config: DeepClusterConfig, device: str
    ) -> None:
        if len(windows) < 2 * config.clusters:
            raise BadInput(
                f"{len(windows)} training windows: {config.clusters} clusters need at least "
                f"{2 * config.clusters}"
            )
        self.epochs: list[Epoch] = []
        self._windows = torch.from_numpy(windows)
        self._config = config
        self._device = device
        with _seeded(config.seed):
            self.encoder = Encoder(EncoderConfig(config.width))
        self.encoder.to(torch.device(device))
        self.encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._optimizer = _optimizer(self.encoder, config)
        self._labels: Int64 = np.zeros(0, dtype=np.int64)
        self._new_head(0)

    def run_epoch(self, on_batch: Callable[[], None]) -> None:
        number = len(self.epochs)
        due = number % self._config.cycle == 0
        nmi = self._recluster(number) if due else None
        random = torch.Generator().manual_seed(_seed(self._config.seed, "epoch", number))
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
        self.epochs.append(Epoch(number, losses / len(order), hits / len(order), due, nmi))

    def _learn(self, picked: Tensor, wanted: Tensor, random: torch.Generator) -> tuple[float, int]:
        batch = self._windows[picked].float()  # [b, 128, 128]
        if self._config.augmented:
            batch = augment(batch, random)
        scores = self._head(self.encoder(self._images(batch)))  # [b, clusters]
        loss = nn.functional.cross_entropy(scores, wanted)
        for optimizer in (self._optimizer, self._head_optimizer):
            optimizer.zero_grad()
        loss.backward()
        for optimizer in (self._optimizer, self._head_optimizer):
            optimizer.step()
        return float(loss.detach()), int((scores.argmax(1) == wanted).sum())

    def _recluster(self, number: int) -> float | None:
        from sklearn.metrics import normalized_mutual_info_score

        features = self._features()
        projection = fit_projection(features, self._config.components, whiten=self._config.whiten)
        points = projection.points(features)
        _, labels = fit_centres(points, self._config.clusters, _seed(self._config.seed, "k-means", number))
        agreement = None
        if self._labels.size:
            agreement = float(normalized_mutual_info_score(self._labels, labels))
        self._labels = labels
        self._new_head(number)
        return agreement

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
        with _seeded(_seed(self._config.seed, "head", number)):
            self._head = nn.Linear(self.encoder.config.dimensions, self._config.clusters)
        self._head.to(self._device)
        self._head_optimizer = _optimizer(self._head, self._config)

    def fingerprint(self) -> str:
        """Of all that decides the course of the training; how many epochs it goes on is not part of it."""
        sha = hashlib.sha256(json.dumps(asdict(replace(self._config, epochs=0))).encode())
        sha.update(np.ascontiguousarray(self._windows.numpy()).data.cast("B"))
        return sha.hexdigest()

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and facts from which `restore` goes on."""
        arrays: dict[str, NDArray[Any]] = {"labels": self._labels}
        for name, part in self._parts().items():
            arrays |= {f"{name}/{key}": value for key, value in tensors_of(part).items()}
        return arrays, {"epochs": [asdict(epoch) for epoch in self.epochs]}

    def restore(self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        for name, part in self._parts().items():
            prefix = f"{name}/"
            give_tensors(part, {key[len(prefix) :]: arrays[key] for key in arrays if key.startswith(prefix)})
        self._labels = arrays["labels"]
        self.epochs = [Epoch(**epoch) for epoch in facts["epochs"]]

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "encoder": self.encoder,
            "head": self._head,
            "optimizer": self._optimizer,
            "head_optimizer": self._head_optimizer,
        }


def even_draw(labels: Int64, count: int, random: torch.Generator) -> Tensor:
    """Indices of `count` windows, int64 [count]: a cluster at random, then one of its windows, so that a
    large cluster does not drown the others (Caron et al. 2018, section 3.3)."""
    order = torch.from_numpy(np.argsort(labels, kind="stable"))
    _, sizes = np.unique(labels, return_counts=True)
    size = torch.from_numpy(sizes)
    first = torch.cumsum(size, 0) - size
    cluster = torch.randint(len(sizes), (count,), generator=random)
    within = (torch.rand(count, generator=random, dtype=torch.float64) * size[cluster]).long()
    return order[first[cluster] + within]


def _optimizer(module: nn.Module, config: DeepClusterConfig) -> torch.optim.Optimizer:
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            module.parameters(), config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
        )
    return torch.optim.Adam(module.parameters(), config.learning_rate, weight_decay=config.weight_decay)


def _seed(seed: int, purpose: str, number: int) -> int:
    """A seed of its own for each purpose and epoch, so that going on after a kill draws the same."""
    return int(np.random.SeedSequence([seed, *purpose.encode(), number]).generate_state(1)[0])


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch's global generator seeded inside and left as it was: layers draw their weights from it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
