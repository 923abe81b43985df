"""How the candidates of a contest did lately, and which of them that makes the one to give out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..pipeline.frames import read_only
from ..pipeline.state import State
from .error_record import ErrorRecord, Proof, Squares, on_same_steps, rmse_db, share
from .stated import Stated

LEAD = 0.05
"""So much smaller must a challenger's squared error be before it takes over."""


@dataclass(frozen=True, slots=True)
class ForecasterChange:
    """Another forecaster is given out from the forecast made at `time_ns` on.

    Both RMSEs are over the last scored steps that both have, `steps` of them, all horizons and frequencies
    (see `Standings.rmse_db`); that of one that said something not finite is infinite.
    """

    node: str
    band: str
    time_ns: int
    model: str
    was: str
    rmse_db: float
    was_rmse_db: float
    steps: int


class Standings:
    """Records of all candidates but `baseline`, which everyone's is measured by.

    Each squared error is taken as a share of the baseline's on the same forecasts, over the last `recent`
    steps that scored anything. Another takes over from the one given out so far where its share, over the
    last steps for which both were scored and at least `enough`, is smaller by `LEAD`: so two that are about
    as good do not take turns. Of several the one that is ahead most. Where the one given out so far
    forecasts no longer, or has fewer steps than `enough`, the best does.
    """

    def __init__(self, baseline: str, names: Sequence[str], *, recent: int, enough: int) -> None:
        self.baseline = baseline
        self._names = tuple(names)
        self._recent = recent
        self._enough = enough
        self.reset()

    def reset(self) -> None:
        self._records = {name: ErrorRecord(self._recent) for name in self._names}
        self._ends_ns: deque[int] = deque(maxlen=self._recent)
        self._begun_ns: dict[str, int] = {}
        self.given: str | None = None

    def scores(self, name: str, made_ns: int) -> bool:
        """Whether a forecast under this name that was made then counts in its record."""
        return name in self._records and made_ns >= self._begun_ns.get(name, made_ns)

    def prove(self, end_ns: int, proofs: Mapping[str, Proof]) -> None:
        """What the step that ended then proved of the candidates that had forecast it."""
        self._ends_ns.append(end_ns)
        for name, record in self._records.items():
            if name in proofs:
                record.add(proofs[name])
            else:
                record.pass_over()

    def begin(self, name: str, squares: Squares, scored_until_ns: int, from_ns: int) -> None:
        """Another model goes by this name from now on: its record is `squares`, and forecasts made before
        `from_ns` were not its own. Over the steps that came after `scored_until_ns` it is compared with
        nobody."""
        self._records[name] = ErrorRecord(self._recent)
        self._records[name].extend(squares)
        self._records[name].pass_over(sum(end_ns > scored_until_ns for end_ns in self._ends_ns))
        self._begun_ns[name] = from_ns

    def choose(self, names: Collection[str]) -> str | None:
        """The one to give out among those that forecast; what was given out before where it is another."""
        was = self.given
        stands = was is not None and was in names and self._is_proven(was)
        against = was if was is not None and stands else self.baseline
        lead = LEAD if against == was else 0.0
        self.given, least = against, 1 - lead
        for name in names:
            ratio = self._ratio(name, against)
            if ratio < least:
                self.given, least = name, ratio
        return was if was not in (None, self.given) else None

    def rmse_db(self, one: str, other: str) -> tuple[float, float, int]:
        """Of two candidates, over the last steps that both have, and how many these are.

        A new fit's record may be of other steps than the rest's: what `other` has is then its share of
        repeat-last's where `one` was scored, as it is shares that are compared.
        """
        records = self._on_same_steps(one, other)
        steps = min((len(squares) for squares in records.values()), default=0)
        if not steps:
            return math.nan, math.nan, 0
        both_db = {name: rmse_db(squares) for name, squares in records.items()}
        baseline_db = next(iter(both_db.values()))[1]
        found = []
        for name in (one, other):
            own_db, same_db = both_db.get(name, (baseline_db, baseline_db))
            elsewhere = same_db != baseline_db and same_db > 0 < baseline_db
            found.append(own_db * (baseline_db / same_db) if elsewhere else own_db)
        return found[0], found[1], steps

    def _ratio(self, name: str, against: str) -> float:
        """One's squared error as a share of another's, over the last steps that both have; infinite where
        these are too few to tell."""
        if name == against:
            return math.inf
        shares = {self.baseline: 1.0}
        for each, squares in self._on_same_steps(name, against).items():
            if len(squares) < self._enough:
                return math.inf
            shares[each] = share(squares)
        own, other = shares[name], shares[against]
        if math.isinf(other):
            return math.inf if math.isinf(own) else 0.0
        return own / other if other else math.inf

    def _on_same_steps(self, *names: str) -> dict[str, Squares]:
        """Of those that have a record."""
        found = [name for name in names if name != self.baseline]
        if not found:
            return {}
        return dict(zip(found, on_same_steps([self._records[name] for name in found]), strict=True))

    def _is_proven(self, name: str) -> bool:
        squares = self._on_same_steps(name)
        return not squares or len(squares[name]) >= self._enough

    def state(self) -> State:
        return {
            "records": {name: record.squares for name, record in self._records.items()},
            "ends_ns": read_only(np.array(self._ends_ns, np.int64)),
            "begun_ns": dict(self._begun_ns),
            "given": self.given,
        }

    def restore(self, kept: Stated, without: Collection[str]) -> None:
        """Go on as the one that gave the state; candidates in `without` begin anew."""
        self.reset()
        records = kept.named_arrays("records", np.float64, (None, 3))
        ends_ns = kept.array("ends_ns", np.int64, (None,))
        begun = kept.inner("begun_ns")
        begun_ns = {name: begun.integer(name) for name in kept.part("begun_ns")}
        given = kept.optional("given", kept.text)
        self._ends_ns.extend(ends_ns.tolist())
        for name in self._records.keys() - set(without):
            if name in records:
                self._records[name].extend(records[name])
            if name in begun_ns:
                self._begun_ns[name] = begun_ns[name]
        if given is not None and (given == self.baseline or given in self._records):
            self.given = given
