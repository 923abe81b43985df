"""The band model that an agent uses, as its state directory has it; nothing there is touched."""

from __future__ import annotations

from pathlib import Path

from ..models.activity import BandModel
from ..pipeline.errors import BadInput
from ..pipeline.state import read_state
from .state import state_file


def kept_model(directory: Path, bundle: str, node: str, band: str) -> BandModel | None:
    """What tells the clusters of a band to an agent with this bundle (its hash), running or not; None where
    it has not begun or is warming up. `BadInput` for a file that cannot be used."""
    path = state_file(directory, bundle, node, band)
    if not path.is_file():
        return None
    try:
        kept = read_state(path)["state"]["labels"]["model"]
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path}: not a band's state: {error!r}") from None
    return None if kept is None else BandModel.of_state(kept)
