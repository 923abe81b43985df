"""Where a training stands, in one file: written whole after each epoch, taken up after a kill. No pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import nn

from ..pipeline.errors import BadInput
from .tensor_file import write_or_refuse

Arrays = dict[str, NDArray[Any]]


def save_checkpoint(
    path: Path, fingerprint: str, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]
) -> None:
    """Write arrays and facts (what JSON can say) under the fingerprint of what they belong to.

    BadInput where the disk refuses: the checkpoint before is still there then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_or_refuse(path, save(whole, {"fingerprint": fingerprint, "facts": json.dumps(facts)}))


def load_checkpoint(path: Path, fingerprint: str) -> tuple[Arrays, dict[str, Any]]:
    """Read what `save_checkpoint` wrote; BadInput if it is broken or of another training."""
    try:
        with safe_open(path, framework="np") as file:
            found = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path}: not a whole checkpoint: {str(error).splitlines()[0]}") from None
    if found.get("fingerprint") != fingerprint:
        raise BadInput(f"{path}: of a training with other settings or windows; start anew with --no-resume")
    return arrays, json.loads(found["facts"])


def forget_checkpoint(path: Path) -> None:
    """Remove a checkpoint, what a kill left half written of it, and its folder if nothing else is in it."""
    if not path.parent.is_dir():
        return
    for left in [path, *path.parent.glob(f".{path.name}.*")]:
        left.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def tensors_of(part: nn.Module | torch.optim.Optimizer) -> Arrays:
    """The tensors of a module's or an optimiser's state, by name."""
    if isinstance(part, nn.Module):
        return {name: tensor.detach().cpu().numpy() for name, tensor in part.state_dict().items()}
    return {
        f"{index}/{name}": tensor.detach().cpu().numpy()
        for index, slots in part.state_dict()["state"].items()
        for name, tensor in slots.items()
        if tensor is not None
    }


def tensors_of_parts(parts: Mapping[str, nn.Module | torch.optim.Optimizer]) -> Arrays:
    """The tensors of several, by the part's name and their own: `part/name`."""
    return {f"{name}/{key}": value for name, part in parts.items() for key, value in tensors_of(part).items()}


def give_tensors_to_parts(
    parts: Mapping[str, nn.Module | torch.optim.Optimizer], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Put back what `tensors_of_parts` took; other arrays are passed over."""
    for name, part in parts.items():
        prefix = f"{name}/"
        give_tensors(part, {key[len(prefix) :]: arrays[key] for key in arrays if key.startswith(prefix)})


def give_tensors(part: nn.Module | torch.optim.Optimizer, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put back what `tensors_of` took."""
    if isinstance(part, nn.Module):
        part.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        return
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, array in arrays.items():
        index, _, slot = name.partition("/")
        state.setdefault(int(index), {})[slot] = torch.from_numpy(array)
    part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})
