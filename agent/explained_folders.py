"""Where a state directory has its explanations: a folder a bundle, node and band."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..explain.published import GONE_PREFIX, let_go, newest_of
from ..pipeline.errors import BadInput
from .explain_job import Result, result_of
from .explain_schedule import BandKey
from .labels import Labels
from .reports import Reports

BUNDLE_PATTERN = "[0-9a-f]" * 12  # a bundle's name: other folders are somebody else's


class ExplainedFolders:
    """`explain/BUNDLE/NODE/BAND`. Those of a bundle that is no longer in use go, when nothing is left in them
    that is a band's newest."""

    def __init__(self, folder: Path, reports: Reports) -> None:
        self._folder = folder
        self._reports = reports

    def of(self, band: BandKey, labels: Labels) -> Path:
        """Where a band's explanations by these labels go."""
        return self._folder / labels.bundle.name / band[0] / band[1]

    def recall(self, band: BandKey, labels: Labels) -> Result | None:
        """What was published before the start; None without one that can be used."""
        published = newest_of(self.of(band, labels))
        if published is None:
            return None
        try:
            result = result_of(published)
        except BadInput as refusal:
            self._reports.bad_input(str(refusal))
            return None
        self._reports.explanation_found(
            *band, made_ns=result.made_ns, fidelity=result.fidelity, depth=result.depth
        )
        return result

    def keep(self, in_use: Iterable[Labels], newest: Iterable[Result]) -> None:
        """Let go of bundles but those in use, and those that have a band's newest explanation until it has a
        newer one. Not while a worker writes."""
        kept = {labels.bundle.name for labels in in_use}
        kept |= {Path(result.folder).parents[2].name for result in newest}
        for path in sorted(self._folder.glob(BUNDLE_PATTERN)):
            if path.name not in kept and let_go(path):
                self._reports.explanations_let_go(path.name)
        for left in self._folder.glob(f"{GONE_PREFIX}*"):  # by a kill
            let_go(left)
