"""Rows as the agent's route takes them: what does not follow on, or is not finite, is a gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..pipeline.continuity import Continuity
from ..pipeline.frames import Gap, PsdFrame


def unbroken(items: Iterable[PsdFrame | Gap]) -> Iterator[PsdFrame | Gap]:
    """One source's rows through `Continuity`, as the route of its band begins: the same gaps for training
    as live."""
    continuity = Continuity()
    for item in items:
        yield from continuity.gap(item) if isinstance(item, Gap) else continuity.push(item)
