"""kill -9 at random moments costs at most one flush interval, and nothing that is known."""

import time
from pathlib import Path

import pytest

from bandwatch.benchmarks.soak_kills import (
    BAND_SETTINGS,
    BEGUN_SECONDS,
    FLUSH_SECONDS,
    PLANS,
    SETTINGS,
    Kills,
)
from bandwatch.benchmarks.soak_rig import Rig
from bandwatch.pipeline.frames import NS_PER_S

KILLS = 6


@pytest.mark.slow
def test_an_agent_that_is_killed_again_and_again_goes_on_as_if_it_never_was(tmp_path: Path):
    start_ns = time.time_ns() - round(BEGUN_SECONDS * NS_PER_S)
    with Rig(tmp_path, PLANS, settings=SETTINGS, band_settings=BAND_SETTINGS, start_ns=start_ns) as rig:
        run = Kills(rig, seed=2, longest_life_seconds=4.0)
        run.begin()
        for number in range(KILLS):
            run.kill(quiet=number % 3 == 0)
        rerun = run.compare()
        assert run.faults == []
        assert run.books.close().faults == []
        assert rig.damage == []
        # A fit and verdicts of both bands were compared, and kills met an agent that was recording.
        assert {(kind, band) for kind, band, *_ in rerun.told} >= {("fitted", "usual"), ("fitted", "wide")}
        missing = [kill.missing_seconds for kill in run.kills if kill.missing_seconds is not None]
        assert len(missing) >= 2
        assert max(missing) <= FLUSH_SECONDS
