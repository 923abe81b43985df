"""What is known of the windows under evaluation: their truth as numbers, the facts for the report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Int64
from .cluster_figures import Bools, agreement
from .evaluated_windows import EvaluatedWindows

UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class KnownTruth:
    """The windows' truth as numbers, and which of them have one."""

    codes: Int64  # UNKNOWN where there is none
    is_known: Bools
    is_single: Bools
    names: tuple[str, ...]


def known_truth(windows: EvaluatedWindows) -> KnownTruth | None:
    """The windows' truth, None without any; BadInput where one was given and no window has it."""
    if windows.truths is None:
        return None
    names = tuple(sorted({truth.main_kind for truth in windows.truths if truth is not None}))
    if not names:
        raise BadInput(f"--data: none of the {len(windows)} windows has a label or a truth")
    number = {name: code for code, name in enumerate(names)}
    codes = [UNKNOWN if truth is None else number[truth.main_kind] for truth in windows.truths]
    single = [truth is not None and len(truth.kinds) <= 1 for truth in windows.truths]
    found = np.array(codes, dtype=np.int64)
    return KnownTruth(found, found != UNKNOWN, np.array(single, dtype=np.bool_), names)


def facts_of(windows: EvaluatedWindows, known: KnownTruth | None, stretch_count: int) -> dict[str, Any]:
    """How many windows of what there are, and what a clustering that only says where would have."""
    facts: dict[str, Any] = {
        "recordings": len(windows.paths),
        "windows": len(windows),
        "windows_given": windows.given,
        "segments": len(np.unique(windows.segment)),
        "stretches": stretch_count,
    }
    if known is None:
        return facts
    truth = known.codes[known.is_known]
    counts = np.bincount(truth, minlength=len(known.names))
    return facts | {
        "windows_with_truth": len(truth),
        "windows_of_one_kind": int((known.is_known & known.is_single).sum()),
        "truths": dict(zip(known.names, counts.tolist(), strict=True)),
        "largest_share": float(counts.max() / len(truth)),
        "nmi_truth_segment": plain(nmi_if_many(windows.segment[known.is_known], truth)),
        "nmi_truth_recording": plain(nmi_if_many(windows.recording[known.is_known], truth)),
    }


def nmi_if_many(where: Int64, labels: Int64) -> float:
    """NMI of two labellings [n]; NaN where there is one place only."""
    return agreement(where, labels)["nmi"] if len(np.unique(where)) > 1 else math.nan


def plain(value: float | None) -> float | None:
    """None for what could not be measured: JSON has no NaN."""
    return value if value is None or math.isfinite(value) else None
