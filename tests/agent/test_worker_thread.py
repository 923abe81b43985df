"""Threads that have real processes do their jobs, and the slot that they share."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bandwatch.agent.worker_running import Failure, WorkerProcess
from bandwatch.agent.worker_slot import WorkerSlot
from bandwatch.agent.worker_thread import Handed, WorkerThread

BAND = ("node", "band")
FOR_EVER = (sys.executable, "-c", "import time; time.sleep(1000)")
AT_ONCE = ("true",)


def python(line: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; from pathlib import Path; folder = Path(sys.argv[1]); {line}")


class User:
    """Jobs for a thread whose turns the test calls, and what is told of them; the clock is moved by hand."""

    def __init__(self, folder: Path, command: tuple[str, ...], slot: WorkerSlot | None = None) -> None:
        self.folder, self.now_seconds, self.jobs, self.asked = folder, 0.0, 1, 0
        self.told: list[tuple[Handed, float, Failure | None]] = []
        self.left: list[dict[str, str]] = []
        self.thread = WorkerThread(
            "user",
            command,
            next_job=self.next_job,
            ended=self.ended,
            most_seconds=100,
            slot=slot,
            monotonic_seconds=lambda: self.now_seconds,
        )

    def next_job(self) -> Handed | None:
        self.asked += 1
        if not self.jobs:
            return None
        self.jobs -= 1
        job = self.folder / f"{id(self)}-{self.asked}"
        job.mkdir(parents=True)
        return Handed(job, BAND, "test")

    def ended(self, handed: Handed, lasted_seconds: float, failure: Failure | None) -> None:
        self.told.append((handed, lasted_seconds, failure))
        self.left.append({path.name: path.read_text() for path in handed.folder.iterdir()})

    def finish(self) -> Failure | None:
        """Until what is at work has ended; how it did."""
        told = len(self.told)
        wait_for(lambda: self.thread.turn() or len(self.told) > told)
        return self.told[-1][2]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Callable[..., User]]:
    made: list[User] = []

    def make(command: tuple[str, ...] = FOR_EVER, slot: WorkerSlot | None = None) -> User:
        made.append(User(tmp_path, command, slot))
        return made[-1]

    yield make
    for each in made:
        each.thread.close()
        if (pid := each.thread.worker_pid) is not None:
            os.kill(pid, signal.SIGKILL)
            each.finish()


def wait_for(ask: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        (python("(folder / 'result').write_text('42')"), None),
        (
            python("sys.stderr.write('some\\nerror: no such band\\n'); sys.exit(2)"),
            ("refused", "no such band"),
        ),
        (python("sys.exit('broken')"), ("error", "broken")),
        (python("sys.exit(4)"), ("error", "exit code 4")),
        (python("import os; os.kill(os.getpid(), 15)"), ("killed", "by signal 15")),
        (("/nowhere/at-all",), ("error", "/nowhere/at-all: No such file or directory")),
    ],
)
def test_each_job_is_told_once_while_its_folder_is_there_and_then_it_goes(user, tmp_path, command, failure):
    one = user(command)
    assert one.finish() == failure
    for _ in range(3):
        one.thread.turn()
    assert len(one.told) == 1
    if failure is None:
        assert one.left[0]["result"] == "42"
    assert list(tmp_path.iterdir()) == []
    assert one.thread.worker_pid is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_worker_whose_disk_is_full_says_so(user):
    work = (
        "from bandwatch.agent.worker_process import run_worker; "
        "sys.exit(run_worker(lambda _: Path('/dev/full').write_text('42'), sys.argv[1:]))"
    )
    kind, message = user(python(work)).finish()
    assert kind == "disk"
    assert message.endswith("No space left on device")


def test_one_that_takes_too_long_is_ended_before_it_is_told(user, tmp_path):
    one = user()
    one.thread.turn()
    pid = one.thread.worker_pid
    one.now_seconds = 100
    one.thread.turn()
    assert one.told == []
    one.now_seconds = 101
    one.thread.turn()
    ((_, lasted_seconds, failure),) = one.told
    assert (lasted_seconds, failure[0]) == (101, "timeout")
    assert failure[1].startswith("after 101 s; limit: 100 s")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list(tmp_path.iterdir()) == []


def test_nobody_is_let_in_before_a_killed_worker_is_gone(user, monkeypatch):
    slot = WorkerSlot()
    first, second = user(FOR_EVER, slot), user(AT_ONCE, slot)
    first.thread.turn()
    end, gone = WorkerProcess.end, [False, False]
    with monkeypatch.context() as patched:  # as where a process of the idle class gets no processor to die
        patched.setattr(WorkerProcess, "end", lambda process: gone.pop() if gone else end(process))
        for now_seconds in (101, 102):
            first.now_seconds = now_seconds
            first.thread.turn()
            second.thread.turn()
            assert (first.told, second.asked) == ([], 0)
        first.thread.turn()
    ((_, lasted_seconds, failure),) = first.told
    assert (lasted_seconds, failure[0]) == (101, "timeout")
    assert second.finish() is None


def test_one_worker_of_three_users_at_a_time_and_each_in_its_turn(user):
    slot = WorkerSlot()
    users = [user(AT_ONCE, slot) for _ in range(3)]
    for each in users:
        each.jobs = 1000
        each.thread.turn()
    order: list[int] = []
    deadline = time.monotonic() + 60
    while len(order) < 12 and time.monotonic() < deadline:
        for number, turns in enumerate((10, 1, 1)):  # the first asks ten times as often
            for _ in range(turns):
                told = len(users[number].told)
                users[number].thread.turn()
                order += [number] * (len(users[number].told) - told)
                assert sum(each.thread.worker_pid is not None for each in users) <= 1
    assert min(order[:12].count(number) for number in range(3)) >= 3
    assert all(one != other for one, other in pairwise(order))


def test_who_has_no_job_lets_the_others_go_on(user):
    slot = WorkerSlot()
    busy, idle = user(AT_ONCE, slot), user(AT_ONCE, slot)
    busy.jobs, idle.jobs = 4, 0
    wait_for(lambda: idle.thread.turn() or busy.thread.turn() or len(busy.told) == 4)
    assert idle.asked > 1


def test_nobody_is_asked_for_a_job_while_another_is_at_work(user):
    slot = WorkerSlot()
    first, second = user(FOR_EVER, slot), user(AT_ONCE, slot)
    first.thread.turn()
    for _ in range(5):
        second.thread.turn()
    assert second.asked == 0
    first.now_seconds = 101
    first.thread.turn()
    first.jobs = 1  # it has more to do, but has just been
    first.thread.turn()
    assert first.thread.worker_pid is None
    assert second.finish() is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("where", ["prepare", "next_job", "ended"])
def test_what_a_user_raises_ends_its_thread_and_leaves_the_slot(user, tmp_path, where):
    slot = WorkerSlot()

    def crash(*_: object) -> None:
        raise RuntimeError(where)

    crashing = User(tmp_path, AT_ONCE, slot)
    broken = {"next_job": crashing.next_job, "ended": crashing.ended, "prepare": lambda: None, where: crash}
    before = threading.active_count()
    thread = WorkerThread("crashing", AT_ONCE, most_seconds=100, slot=slot, **broken)
    thread.start()
    wait_for(lambda: threading.active_count() == before)
    assert list(tmp_path.iterdir()) == []
    other = user(AT_ONCE, slot)
    assert other.finish() is None


def test_a_close_ends_the_worker_and_leaves_the_slot_and_nothing_else(user, tmp_path):
    slot = WorkerSlot()
    closed, waiting, other = user(FOR_EVER, slot), user(AT_ONCE, slot), user(AT_ONCE, slot)
    closed.thread.start()
    wait_for(lambda: closed.thread.worker_pid is not None)
    pid = closed.thread.worker_pid
    waiting.jobs = 0
    waiting.thread.start()
    time.sleep(0.5)  # it has asked meanwhile, in vain
    waiting.thread.close()
    closed.thread.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert closed.told == []
    assert list(tmp_path.iterdir()) == []
    assert other.finish() is None


def test_after_timeouts_the_next_runs_at_a_higher_priority_until_one_was_quick(user):
    one = user(python("(folder / 'escalation').write_text(sys.argv[2]); (folder.parent / 'go').read_text()"))
    os.mkfifo(one.folder / "go")

    def escalation_of_one_that(lasts_seconds: float) -> str:
        one.jobs = 1
        one.thread.turn()
        (job,) = one.folder.glob(f"{id(one)}-*")
        wait_for((job / "escalation").exists)
        wait_for((job / "escalation").read_text)
        one.now_seconds += lasts_seconds
        if lasts_seconds <= 100:
            (one.folder / "go").write_text("now")
        failure = one.finish()
        assert (failure is None) == (lasts_seconds <= 100)
        return one.left[-1]["escalation"]

    lasted_seconds = (101, 101, 101, 101, 26, 25, 101, 99, 25, 25)
    assert "".join(map(escalation_of_one_that, lasted_seconds)) == "0122220110"
