"""Which clusters and which frequencies a band has, as the state directory tells; nothing there is touched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..pipeline.errors import BadInput
from ..pipeline.state import read_state
from .state import state_file


@dataclass(frozen=True, slots=True)
class KeptBand:
    """`clusters` are the numbers that the band's model gives, ascending, None while there is no model;
    `edges_hz` the outer edges of its lowest and highest bin, None before its first row."""

    clusters: tuple[int, ...] | None
    edges_hz: tuple[float, float] | None


def kept_band(directory: Path, bundle: str, node: str, band: str) -> KeptBand | None:
    """Of an agent with this bundle (its hash), running or not, as it last kept its state.

    None where there is none, or none that can be read: the agent itself tells of that as it starts.
    """
    try:
        state = read_state(state_file(directory, bundle, node, band))["state"]
        model, axis = state["labels"]["model"], state["geometry"]
        clusters = None if model is None else tuple(sorted(model["arrays"]["clusters"].tolist()))
        edges_hz = None
        if axis is not None:
            low_hz = axis["first_hz"] - axis["bin_hz"] / 2
            edges_hz = low_hz, low_hz + axis["bins"] * axis["bin_hz"]
        return KeptBand(clusters, edges_hz)
    except (BadInput, KeyError, TypeError, AttributeError):
        return None
