"""What the third paper's six networks leave to the data: how many frequencies go in and out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Frequencies in and out, and steps forecast; the rest is fixed by the paper's tables A1 and A2."""

    inputs: int
    outputs: int
    horizon: int = 12
