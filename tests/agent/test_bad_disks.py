"""A disk that is full, read-only or damaged costs records, never labels; recording begins again by itself."""

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bandwatch.benchmarks.soak_books import Books
from bandwatch.benchmarks.soak_rig import Rig
from bandwatch.benchmarks.soak_truth import BandPlan
from bandwatch.tests.agent.processes import Agent

pytestmark = pytest.mark.slow

PLANS = [BandPlan("usual", bins=64, row_seconds=0.1, rows_per_second=300.0)]
SETTINGS = {"models": {"threads": 1, "warm_up_windows": 24}, "store": {"keep_free_bytes": 1_000_000}}
DISK_BYTES = 24_000_000


def total(agent: Agent, name: str) -> float:
    return sum(agent.metric(f"bandwatch_{name}").values())


def wait_for_more(agent: Agent, name: str, most: float = 50) -> None:
    """The counter goes on."""
    begun = total(agent, name)
    agent.wait_for(f"more of {name}", lambda: total(agent, name) > begun + most)


def take(rig: Rig, books: Books) -> Books:
    return books.take(rig.entries_after(books.entry))


def settled(rig: Rig, books: Books) -> None:
    """All that was sent is in the books; the publisher pauses."""
    rig.tell_publisher("pause")
    stream = rig.truth.streams()[-1].stream
    last = rig.truth.last_seq(stream)
    rig.agent.wait_for("the last row", lambda: take(rig, books).known("usual") == (stream, last))


@contextmanager
def small_disk(store: Path) -> Iterator[None]:
    """A disk of its own under the store; skips where it cannot be mounted."""
    store.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(store)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no disk of its own: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(store)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC


def stops_and_goes_on(rig: Rig, reason: str, recover) -> Books:
    """Recording stops, which is said once, and nothing else does; after `recover` it goes on, books even."""
    agent = rig.agent
    agent.wait_for("the alarm", lambda: agent.events("recording stopped"))
    assert agent.metric("bandwatch_store_recording") == {"": 0}
    wait_for_more(agent, "frames_received_total")
    wait_for_more(agent, "windows_total", 10)
    wait_for_more(agent, "store_unrecorded_rows_total", 10)
    (line,) = agent.events("recording stopped")
    assert line["level"] == "error"
    assert reason in line["reason"]
    recover()
    agent.wait_for("recording", lambda: agent.events("recording resumed"))
    assert agent.metric("bandwatch_store_recording") == {"": 1}
    wait_for_more(agent, "store_rows_total")
    assert len(agent.events("recording stopped")) == 1
    books = Books(rig.truth)
    settled(rig, books)
    unrecorded = total(agent, "store_unrecorded_rows_total")
    rig.stop_agent()
    take(rig, books).close()
    assert books.faults == []
    assert sum(account.unrecorded for account in books.accounts) == unrecorded
    return books


def test_a_full_disk(tmp_path: Path):
    with Rig(tmp_path, PLANS, settings=SETTINGS) as rig, small_disk(rig.store):
        rig.start_agent()
        rig.start_publisher()
        wait_for_more(rig.agent, "store_rows_total")
        filler = rig.store / "filler"
        fill(filler)
        # That no room is left may be found by writing, or by looking before.
        books = stops_and_goes_on(rig, f"{rig.store}: ", filler.unlink)
        assert books.accounts[0].rows > 0
        assert books.accounts[0].unrecorded > 0


def test_files_that_may_not_grow(tmp_path: Path):
    """The same where no disk can be mounted, but for the look at what is free."""
    with Rig(tmp_path, PLANS, settings=SETTINGS) as rig:
        agent = rig.start_agent()
        rig.start_publisher()
        wait_for_more(agent, "store_rows_total")
        pid = agent.process.pid
        limit, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        largest = max(path.stat().st_size for path in rig.store.rglob("*.arrows"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, most))
        stops_and_goes_on(
            rig,
            os.strerror(errno.EFBIG),
            lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, most)),
        )


def test_a_disk_that_is_read_only_at_the_start(tmp_path: Path):
    with Rig(tmp_path, PLANS, settings=SETTINGS) as rig, small_disk(rig.store):
        remount = ["mount", "-o", "remount,ro", str(rig.store)]
        subprocess.run(remount, check=True)
        rig.start_agent()
        rig.start_publisher()

        def recover() -> None:
            subprocess.run([*remount[:2], "remount,rw", remount[-1]], check=True)

        stops_and_goes_on(rig, os.strerror(errno.EROFS), recover)


def damage(store: Path, kind: str) -> Path:
    """Turn 64 bytes in the middle of the largest file of a kind."""
    path = max(store.rglob(f"*.{kind}"), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(255 - byte for byte in content[middle : middle + 64])
    path.write_bytes(content)
    return path


# Parquet is read by an agent that has lost its state, or by people.
@pytest.mark.parametrize("kinds", [("arrows",), ("parquet", "state")], ids="+".join)
def test_a_damaged_file_is_said_once_and_costs_what_is_in_it(tmp_path: Path, kinds):
    with Rig(tmp_path, PLANS, settings=SETTINGS) as rig:
        agent = rig.start_agent()
        rig.start_publisher()
        agent.wait_for("labels", lambda: agent.get("/readyz")[0] == 200)
        if "state" in kinds:
            # At its end an agent keeps its state; the next one makes Parquet of the journal.
            rig.stop_agent()
            agent = rig.start_agent()
            agent.wait_for("Parquet", lambda: list(rig.store.rglob("*.parquet")))
            agent.wait_for("the end of its segment", lambda: len(list(rig.store.rglob("*.arrows"))) == 1)
        wait_for_more(agent, "store_rows_total")
        rig.kill_agent()
        damaged = [damage(rig.store, kind) for kind in kinds]
        before = rig.entries_after(-1)[-1][0]
        agent = rig.start_agent()
        agent.wait_for("labels", lambda: agent.get("/readyz")[0] == 200)
        wait_for_more(agent, "store_rows_total")
        said = [line["message"] for line in agent.events("not usable")]
        for path in damaged:
            assert len([words for words in said if path.name in words]) == 1
        assert "Traceback" not in agent.text()
        rig.stop_agent()
        # What was recorded since is whole.
        books = Books(rig.truth).take(rig.entries_after(before))
        assert books.close().faults == []
        assert books.accounts[0].rows > 50
