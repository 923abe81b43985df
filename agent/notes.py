"""What the journal is told beside rows and gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

from ..models.drift import Drift
from ..models.standings import ForecasterChange
from ..pipeline.frames import Gap, PsdFrame, Verdict
from ..pipeline.journal import Entry, Note
from .deviation import Deviation
from .outputs import Fitted, Output, Unfitted
from .route import BandRoute

CURSOR = "cursor"
STRIDE = "stride"
REFIT = "refit"
FORECAST_EXPLAINED = "forecast_explained"


def unit_of(
    route: BandRoute,
    pieces: Sequence[PsdFrame | Gap],
    outputs: Sequence[Output],
    *,
    moved: bool,
    time_ns: int,
) -> list[Entry]:
    """The journal's entries of one item that arrived: what was heard, and what came of it.

    `moved`: it changed what the route expects next, which a row tells by itself and nothing else does.
    """
    unit: list[Entry] = list(pieces)
    unit += [note for output in outputs if (note := note_of(output, time_ns)) is not None]
    if moved and not (pieces and isinstance(pieces[-1], PsdFrame)):
        unit.append(Note(route.node, route.band, time_ns, CURSOR, route.continuity.state()))
    return unit


def note_of(output: Output, time_ns: int) -> Note | None:
    """What people look for afterwards; windows and forecasts are too many, and come again from the rows."""
    match output:
        case Verdict():
            facts = {
                "segment": output.segment,
                "state": output.state,
                "score": output.score if math.isfinite(output.score) else None,
                "reasons": list(output.reasons),
            }
            return Note(output.node, output.band, output.time_ns, "verdict", facts)
        case Deviation():
            facts = {
                "segment": output.segment,
                "begun_ns": output.begun_ns,
                "ended_ns": output.ended_ns,
                "share": output.share,
                "limit": output.limit,
                "ranges": [asdict(each) for each in output.ranges],
            }
            if output.ended_ns is None:
                facts["beside"] = list(output.beside)
            time_ns = output.begun_ns if output.ended_ns is None else output.ended_ns
            return Note(output.node, output.band, time_ns, "deviation", facts)
        case ForecasterChange():
            facts = {
                "model": output.model,
                "was": output.was,
                "rmse_db": output.rmse_db if math.isfinite(output.rmse_db) else None,
                "was_rmse_db": output.was_rmse_db if math.isfinite(output.was_rmse_db) else None,
                "steps": output.steps,
            }
            return Note(output.node, output.band, output.time_ns, "forecast_model", facts)
        case Drift() if output.crossed:
            facts = {"drifting": output.drifting, "ratio": output.ratio}
            return Note(output.node, output.band, output.time_ns, "drift", facts)
        case Fitted():
            facts = {"windows": output.windows, "clusters": output.clusters, "model": output.model}
            return Note(output.node, output.band, time_ns, "fitted", facts)
        case Unfitted():
            return Note(output.node, output.band, time_ns, "unfitted", {})
        case _:
            return None
