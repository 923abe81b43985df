"""One variable of a file as an IQ recording: chosen by name, looked through once, dated by what is known."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from ..errors import BadInput
from ..sidecar import Sidecar
from .iq_origin import Origin, one_tuning
from .iq_reader import IqFacts, Samples
from .stored_iq import check_range

PASS_SAMPLES = 1 << 18


class IqVariable(Protocol):
    """Samples in a variable: `is_complex`, or I and Q in columns of real numbers."""

    @property
    def samples(self) -> int: ...
    @property
    def sample_type(self) -> str: ...
    @property
    def is_complex(self) -> bool: ...

    def blocks(self, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        """Samples [first, first + samples) as complex64, in order; `BadInput` where the file is broken."""
        ...


Variable = TypeVar("Variable", bound=IqVariable)


def chosen(path: Path, sidecar: Sidecar, found: Mapping[str, Variable]) -> Variable:
    """The variable named by the sidecar's `array`; else the only complex one, or the only one."""
    if sidecar.array is not None:
        if sidecar.array in found:
            return found[sidecar.array]
        near = difflib.get_close_matches(sidecar.array, found, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"limit: {_listed(found)}"
        raise BadInput(f"{path}: array: no IQ vector '{sidecar.array}'; {hint}")
    those = {name: each for name, each in found.items() if each.is_complex} or dict(found)
    if len(those) != 1:
        raise BadInput(
            f"{path}: holds {_listed(those)}; limit: one complex vector (or n x 2 real numbers); where there"
            f" are several write in {sidecar.path} which to read: array: NAME"
        )
    return next(iter(those.values()))


class VariableIq:
    """IqReader of a variable. Opening passes over it once: it is whole, and its peak is known.

    Numbers are taken as they stand. Where I or Q goes beyond 1 full scale is not known: levels are then
    `dB` above 1.0 and not dBFS, and a note says so.
    """

    def __init__(
        self,
        path: Path,
        format_name: str,
        variable: IqVariable,
        sidecar: Sidecar,
        told: Origin,
        notes: tuple[tuple[str, str], ...] = (),
        problems: tuple[str, ...] = (),
    ) -> None:
        self._variable = variable
        tuning = one_tuning(path, sidecar, told, variable.samples)
        peak = peak_of(variable.blocks(0, variable.samples, PASS_SAMPLES))
        self.facts = IqFacts(
            format=format_name,
            sample_type=variable.sample_type,
            sample_rate_hz=tuning.sample_rate_hz,
            channels=1,
            captures=(tuning.capture,),
            unit=sidecar.unit or ("dBFS/bin" if peak <= 1 else "dB"),
            gain_db=told.gain_db,
            node=sidecar.node,
            band=sidecar.band,
            problems=(*problems, *tuning.problems),
            notes=(*notes, *peak_notes(peak)),
        )

    def blocks(self, channel: int, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        check_range(self.facts, channel, first, samples)
        yield from self._variable.blocks(first, samples, block_samples)


def peak_of(blocks: Iterator[Samples]) -> float:
    """The largest |I| or |Q|, NaN left out."""
    peak = 0.0
    for block in blocks:
        peak = max(peak, float(np.fmax.reduce(np.abs(block.view(np.float32)), initial=0.0)))
    return peak


def peak_notes(peak: float) -> tuple[tuple[str, str], ...]:
    """What a peak beyond full scale means for the levels."""
    if peak <= 1:
        return ()
    return (("full scale", f"not known: I or Q reaches {peak:.6g}; levels are dB above 1.0"),)


def _listed(names: Mapping[str, object]) -> str:
    listed = ", ".join(f"'{name}'" for name in list(names)[:10]) + (" ..." if len(names) > 10 else "")
    return listed or "no IQ vector"
