"""Several trainings that build on one another, kept as one: a kill costs what the last epoch did not keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..models.checkpoint import Arrays, load_checkpoint, save_checkpoint
from ..models.forecast_problem import TrainingWatch
from ..models.network_training import Progress


@dataclass(frozen=True, slots=True)
class Stage:
    """What one training is told: where it keeps itself, under which fingerprint, whom it tells of epochs."""

    checkpoint: Path | None
    fingerprint: str
    progress: Progress


class TrainingStages:
    """What stages came to, by name, in the watch's checkpoint; the stage at work has a file beside it.

    A stage must hang on the fingerprint, its name and stages before it alone, and be the same every time.
    `epochs` are those of all stages together. Raises BadInput for another training's checkpoint.
    """

    def __init__(self, watch: TrainingWatch, fingerprint: str, epochs: int) -> None:
        self._watch, self._fingerprint, self._epochs = watch, fingerprint, epochs
        self._made: dict[str, Arrays] = {}
        self._counted: set[str] = set()
        self._before = 0  # epochs of the stages counted
        if watch.checkpoint is not None and watch.checkpoint.exists():
            arrays, facts = load_checkpoint(watch.checkpoint, fingerprint)
            for name, keys in facts["stages"].items():
                self._made[name] = {key: arrays[f"{name}/{key}"] for key in keys}
        else:
            self._save()

    def once(self, name: str, epochs: int, make: Callable[[Stage], Arrays]) -> Arrays:
        """What `make` gives, which trains for `epochs`; not made again if it was before."""
        own = self._own_file(name)
        if name not in self._made:
            before = self._before
            self._made[name] = make(
                Stage(
                    own,
                    f"{self._fingerprint} {name}",
                    lambda figures: self._watch.on_epoch(before + figures.epoch, self._epochs),
                )
            )
            self._save()
        if own is not None:
            own.unlink(missing_ok=True)
        if name not in self._counted:
            self._counted.add(name)
            self._before += epochs
        return self._made[name]

    def _own_file(self, name: str) -> Path | None:
        path = self._watch.checkpoint
        return None if path is None else path.with_name(f"{path.stem}.{name}{path.suffix}")

    def _save(self) -> None:
        if self._watch.checkpoint is not None:
            arrays = {f"{name}/{key}": made[key] for name, made in self._made.items() for key in made}
            facts = {"stages": {name: list(made) for name, made in self._made.items()}}
            save_checkpoint(self._watch.checkpoint, self._fingerprint, arrays, facts)
