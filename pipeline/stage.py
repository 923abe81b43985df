"""The one protocol of the route: what a stage is, and how to drive it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from .frames import Gap
from .state import State

In = TypeVar("In")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)


class Stage(Protocol[In_contra, Out]):
    """A step of the route with a memory of its own.

    Contract, proven for every stage by `tests/jig.py`: chunking never changes an answer; inputs are left
    as they were; `gap` ends whatever the stage was gathering, so that no output spans one (steps and what
    rests on them bridge short ones: docs/decisions/0006); after `reset` the stage behaves as a new one.
    """

    def push(self, item: In_contra) -> list[Out]:
        """Take one item; return what became ready because of it, in order."""
        ...

    def gap(self, gap: Gap) -> list[Out]:
        """The next item does not follow the last one."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...


class Lasting(Protocol):
    """What goes on after a restart of the agent as if there had been none.

    Contract, proven by `tests/jig.py`: `state` is cheap, and what it gives is never changed by later
    items; `restore` into a stage of the same settings, before or after a trip through a file, makes it go
    on to the bit as the one that gave the state. Settings are not part of a state: a stage of other
    settings takes what is still true, and for the rest is as a new one.
    """

    def state(self) -> State:
        """All that what comes next depends on, as plain values and arrays that nobody may write to."""
        ...

    def restore(self, state: State) -> None:
        """Be as the stage that gave this state was then."""
        ...


def drive(stage: Stage[In, Out], items: Iterable[In | Gap]) -> list[Out]:
    """Push every item through a stage, gaps as gaps, and gather what comes out."""
    outputs: list[Out] = []
    for item in items:
        outputs += stage.gap(item) if isinstance(item, Gap) else stage.push(item)
    return outputs
