"""An encoder's training by what simulated windows truly show, as it stands: an epoch at a time."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..pipeline.errors import BadInput
from .augmentation import augment
from .checkpoint import give_tensors_to_parts, tensors_of_parts
from .encoder import DEFAULT_WIDTH
from .precision import Precision, chosen_precision
from .taught_network import TaughtNetwork
from .taught_windows import TaughtWindows
from .training_seeds import seed_for, seeded

SHOWS_WEIGHT = 4.0  # a mean over kinds, most of which do not show
WARM_UP_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class TaughtConfig:
    """How to teach. `learning_rate` is the highest, reached after 15 % of the steps and left along a half
    cosine. `seed` decides every draw."""

    width: int = DEFAULT_WIDTH
    epochs: int = 6
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    precision: Precision = "auto"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TaughtEpoch:
    """What an epoch came to: the mean loss, its parts, and the share of windows whose main kind (or that
    nothing shows) was told. `seconds` is no part of what makes two epochs equal."""

    number: int
    loss: float
    shows_loss: float
    main_loss: float
    measures_loss: float
    accuracy: float
    seconds: float = field(default=0.0, compare=False)


class TaughtTraining:
    """The state of a training: network, optimiser and what the epochs came to.

    The loss is the sum of three: the cross-entropy of each kind's showing or not (mean over kinds, times 4);
    that of the kind with most energy, or of none showing, each weighed by the inverse root of how often it
    comes; the Huber loss of the hand-made features, which keeps in the features what tells one emitter of a
    kind from another and shapes that no kind here has.
    """

    def __init__(self, taught: TaughtWindows, config: TaughtConfig, device: str) -> None:
        if len(taught) < config.batch:
            raise BadInput(f"{len(taught)} training windows: a batch is {config.batch}")
        self.epochs: list[TaughtEpoch] = []
        self._taught = taught
        self._windows = torch.from_numpy(taught.windows)
        self._shows = torch.from_numpy((taught.energies > 0).astype(np.float32))
        self._main = torch.from_numpy(taught.main_kinds())
        self._measures = torch.from_numpy(taught.measures.copy())
        self._config = replace(config, precision=chosen_precision(config.precision, device))
        self._device = torch.device(device)
        with seeded(config.seed):
            network = TaughtNetwork(config.width, len(taught.kinds), taught.measures.shape[1])
        self.network = network.to(self._device)
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        counts = torch.bincount(self._main, minlength=1 + len(taught.kinds))
        rarity = counts.clamp(min=1).float().rsqrt()
        self._weights = (rarity / rarity.mean()).to(self._device)

    @property
    def steps_an_epoch(self) -> int:
        """Whole batches; what is left over comes in other epochs."""
        return len(self._taught) // self._config.batch

    def run_epoch(self, on_batch: Callable[[], None], clock: Callable[[], float]) -> None:
        started = clock()
        number = len(self.epochs)
        random = torch.Generator().manual_seed(seed_for(self._config.seed, "epoch", number))
        order = torch.randperm(len(self._taught), generator=random)
        self.network.train()
        sums = np.zeros(5)
        for step in range(self.steps_an_epoch):
            picked = order[step * self._config.batch : (step + 1) * self._config.batch]
            self._set_learning_rate(number * self.steps_an_epoch + step)
            sums += self._learn(picked, random)
            on_batch()
        means = (sums / self.steps_an_epoch).tolist()
        self.epochs.append(TaughtEpoch(number, *means, seconds=round(clock() - started, 3)))

    def _learn(self, picked: Tensor, random: torch.Generator) -> list[float]:
        windows = augment(self._windows[picked].float(), random)
        narrow = self._config.precision == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=narrow):
            features = self.network(windows[:, None].to(self._device, memory_format=torch.channels_last))
        answers = self.network.answers(features.float())
        main = self._main[picked].to(self._device)
        losses = (
            SHOWS_WEIGHT
            * nn.functional.binary_cross_entropy_with_logits(
                answers.shows, self._shows[picked].to(self._device)
            ),
            nn.functional.cross_entropy(answers.main, main, weight=self._weights),
            nn.functional.smooth_l1_loss(answers.measures, self._measures[picked].to(self._device)),
        )
        loss = torch.stack(losses).sum()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        parts = [float(part.detach()) for part in losses]
        told = (answers.main.argmax(1) == main).float().mean()
        return [float(loss.detach()), *parts, float(told)]

    def _set_learning_rate(self, step: int) -> None:
        done = step / (self._config.epochs * self.steps_an_epoch)
        if done < WARM_UP_SHARE:
            share = 0.04 + 0.96 * done / WARM_UP_SHARE
        else:
            share = 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE))
        for group in self._optimizer.param_groups:
            group["lr"] = share * self._config.learning_rate

    def fingerprint(self) -> str:
        """Of all that decides the course of the training: with another number of epochs it is another."""
        sha = hashlib.sha256(json.dumps([asdict(self._config), self._taught.kinds]).encode())
        for array in (self._taught.windows, self._taught.energies, self._taught.measures):
            sha.update(np.ascontiguousarray(array).data.cast("B"))
        return sha.hexdigest()

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and facts from which `restore` goes on."""
        return tensors_of_parts(self._parts()), {"epochs": [asdict(epoch) for epoch in self.epochs]}

    def restore(self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        give_tensors_to_parts(self._parts(), arrays)
        self.epochs = [TaughtEpoch(**epoch) for epoch in facts["epochs"]]

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {"network": self.network, "optimizer": self._optimizer}
