"""Real workers beside a process that never rests, on one core: what their priorities let through."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bandwatch.agent.worker_running import WorkerProcess

WORK_SECONDS = 0.1
WORKER = (
    sys.executable,
    "-c",
    f"""
import os, sys, time
from bandwatch.agent.worker_process import run_worker

def work(folder):
    go = folder.parent / "go"
    made = os.open(folder / "made", os.O_CREAT | os.O_WRONLY)
    os.write(made, b"0.000000")
    while not go.exists():
        time.sleep(0.01)
    begun = time.process_time()
    while (seconds := time.process_time() - begun) < {WORK_SECONDS}:
        os.pwrite(made, b"%.6f" % seconds, 0)

sys.exit(run_worker(work, sys.argv[1:]))
""",
)
BUSY = (sys.executable, "-c", "print('busy', flush=True)\nwhile True: pass")

if not hasattr(os, "sched_setaffinity") or not hasattr(os, "SCHED_IDLE"):
    pytest.skip("needs processes kept to one core, and an idle class", allow_module_level=True)
if os.sched_getscheduler(0) != os.SCHED_OTHER or os.getpriority(os.PRIO_PROCESS, 0) > 10:
    pytest.skip("these tests run at a priority that workers cannot be told from", allow_module_level=True)


def wait_for(ask: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_starves_on_a_busy_core_unless_it_is_escalated(tmp_path: Path):
    made = [tmp_path / f"{escalation}" / "made" for escalation in range(3)]
    for path in made:
        path.parent.mkdir()
    workers = [WorkerProcess(WORKER, path.parent, escalation) for escalation, path in enumerate(made)]
    core = {max(os.sched_getaffinity(0))}
    with subprocess.Popen(BUSY, stdout=subprocess.PIPE) as busy:
        try:
            for path in made:
                wait_for(lambda path=path: path.exists() and path.read_text())
            for pid in (busy.pid, *(worker.pid for worker in workers)):
                os.sched_setaffinity(pid, core)
            assert busy.stdout is not None
            assert busy.stdout.readline() == b"busy\n"
            (tmp_path / "go").touch()
            wait_for(lambda: not workers[2].is_alive)
            assert workers[2].failure() is None
            assert [worker.is_alive for worker in workers] == [True, True, False]
            seconds = [float(path.read_text()) for path in made]
            # Weights are 3, 15 and 110, beside 1,024 of the one that never rests.
            assert seconds[0] < WORK_SECONDS / 8, seconds
            assert seconds[0] < seconds[1] < WORK_SECONDS / 2, seconds
        finally:
            busy.kill()
            busy.wait()
            for worker in workers:
                wait_for(worker.end)
