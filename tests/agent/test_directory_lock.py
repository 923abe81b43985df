"""One agent a state directory: the second is told whose it is, and a dead one holds nothing."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bandwatch.agent.directory_lock import DirectoryLock
from bandwatch.agent.failure import Failure

HOLDER = """
import sys, time
from pathlib import Path
from bandwatch.agent.directory_lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
lock.take()
print("held", flush=True)
time.sleep(60)
"""


def test_the_second_is_refused_with_the_pid_of_the_first_and_a_killed_holder_frees_it(tmp_path: Path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Failure, match=rf"in use by the agent of process {holder.pid}; limit: one agent"):
            DirectoryLock(tmp_path).take()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        ours = DirectoryLock(tmp_path)
        ours.take()
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
        ours.release()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_it_can_be_taken_again_once_let_go(tmp_path: Path):
    first, second = DirectoryLock(tmp_path), DirectoryLock(tmp_path)
    first.take()
    first.take()
    with pytest.raises(Failure, match=str(os.getpid())):
        second.take()
    first.release()
    first.release()
    second.take()
    assert second.held
    second.release()


def test_one_whose_directory_was_deleted_keeps_nobody_out_and_is_taken_again(tmp_path: Path):
    directory = tmp_path / "store"
    first, second = DirectoryLock(directory), DirectoryLock(directory)
    first.take()
    shutil.rmtree(directory)
    first.take()
    with pytest.raises(Failure, match=str(os.getpid())):
        second.take()
    shutil.rmtree(directory)
    second.take()
    with pytest.raises(Failure, match=str(os.getpid())):
        first.take()
    second.release()
