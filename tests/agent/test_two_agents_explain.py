"""Of two agents on one state directory the second touches nothing of what the first explains."""

from pathlib import Path

import pytest

from bandwatch.agent.directory_lock import DirectoryLock
from bandwatch.agent.explain_job import EXPLAIN_FOLDER, REQUEST_FILE
from bandwatch.tests.agent.processes import PATIENCE_SECONDS, started


def stands(folder: Path) -> dict[str, tuple[int, int]]:
    """All that lies below a folder: inode and time of the last change, of folders too."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_second_is_refused_before_it_touches_jobs_and_requests(tmp_path: Path):
    directory = tmp_path / "agent-state"
    explain = directory / EXPLAIN_FOLDER
    job, request = explain / ".job-of-the-first", explain / REQUEST_FILE
    gone = explain / ".gone-0123456789ab"  # what an agent that starts tidies
    first = DirectoryLock(directory)
    first.take()
    for folder in (job, gone):
        folder.mkdir(parents=True)
        (folder / "windows.npy").write_bytes(b"at work")
    request.touch()
    before = stands(explain)
    with started(tmp_path, "run") as second:
        assert second.process.wait(PATIENCE_SECONDS) == 1
        assert "in use by the agent of process" in second.text()
    assert stands(explain) == before
    first.release()
    with started(tmp_path, "run") as alone:  # the same is touched by an agent that may
        alone.wait_for("jobs tidied", lambda: not job.exists())
        alone.wait_for("request taken", lambda: not request.exists())
