"""People's words at work in every band of a running agent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from .muting import Muting
from .outputs import Fitted, Output
from .words import Words


class Tells(Protocol):
    """Records an event of the agent's own (`Memory.tell`)."""

    def __call__(self, kind: str, node: str = "", band: str = "", **facts: object) -> None: ...


class Mutings:
    """A `Muting` for every band, made when it is first heard.

    `note` records what became of words, for the events; `told` hears what a person should know.
    """

    def __init__(self, words: Words, told: Callable[[str], None], note: Tells) -> None:
        self._words = words
        self._told = told
        self._note = note
        self._bands: dict[tuple[str, str], Muting] = {}

    def resume(self, models: Iterable[Fitted | None]) -> None:
        """After a restart, before anything is taken: the models that are in use already."""
        for fitted in models:
            if fitted is not None:
                self._of(fitted.node, fitted.band).take([fitted])

    def take(self, node: str, band: str, outputs: Sequence[Output]) -> list[Output]:
        """What is to be given to the sinks instead of what a band's route put out."""
        return self._of(node, band).take(outputs)

    def turn(self) -> list[Output]:
        """Look whether people have said something new: the names and verdicts that are others for it."""
        changed = self._words.look()
        for change in self._words.changes():
            self._note(change.kind, change.node, change.band, **change.facts)
        return [output for each in self._bands.values() for output in each.words_changed()] if changed else []

    def use_bundle(self, bundle: str) -> None:
        """Another bundle is in use, by its hash; the routes tell of its models."""
        self._words.use_bundle(bundle)

    def _of(self, node: str, band: str) -> Muting:
        muting = self._bands.get((node, band))
        if muting is None:
            muting = self._bands[node, band] = Muting(node, band, self._words, self._told)
        return muting
