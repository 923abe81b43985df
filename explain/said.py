"""What people have said of a band's clusters, for reports and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Said:
    """By a cluster's number: what it is called, and that it is normal, `cluster 3 until … (meters)`."""

    names: Mapping[int, str] = field(default_factory=dict)
    mutes: Mapping[int, str] = field(default_factory=dict)


NOTHING_SAID = Said()


def shortened(name: str, most: int) -> str:
    """A name for where there is room for `most` characters only."""
    return name if len(name) <= most else name[: most - 1].rstrip() + _ELLIPSIS
