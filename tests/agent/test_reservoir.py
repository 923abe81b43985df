"""A reservoir holds the newest windows and a sample of the past, in memory that never grows."""

import threading
from pathlib import Path

import numpy as np
import pytest

from bandwatch.agent.reservoir import Reservoir, read_windows
from bandwatch.models.geometry import Geometry
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Window

SECOND = 10**9
GEOMETRY = Geometry(
    node="node", band="band", unit="dBm/bin", bins=256, first_hz=868e6, bin_hz=1e3, segments=2
)
OTHER = Geometry(node="node", band="band", unit="dBm/bin", bins=256, first_hz=433e6, bin_hz=1e3, segments=2)


def window(number: int) -> Window:
    """A window that says in all of its pixels which one it is: rows of 0.2 s, one window a second."""
    values = np.full((128, 128), number % 1000 / 1000, np.float32)
    start_ns = number * SECOND
    return Window("node", "band", number % 2, start_ns, start_ns + 128 * SECOND // 5, 868e6, 1e3, values)


def filled(most: int, count: int) -> Reservoir:
    reservoir = Reservoir(most)
    reservoir.measure(GEOMETRY)
    for number in range(count):
        reservoir.add(window(number), number % 5 if number else None)
    return reservoir


def test_a_full_reservoir_never_grows(tmp_path: Path):
    reservoir = filled(128, 100)
    size_bytes = reservoir.size_bytes
    files = []
    for number in range(100, 2000):
        reservoir.add(window(number), 1)
        assert reservoir.windows == min(number + 1, 128)
        if number in (200, 1999):
            reservoir.write(tmp_path)
            files.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
    assert reservoir.size_bytes == size_bytes <= 128 * (2 * 128 * 128 + 64)
    assert files[0] == files[1]


def test_until_it_is_full_everything_is_there_as_it_was_heard(tmp_path: Path):
    filled(128, 90).write(tmp_path)
    found = read_windows(tmp_path)
    np.testing.assert_array_equal(found.start_ns, np.arange(90) * SECOND)
    np.testing.assert_array_equal(found.segments, np.arange(90) % 2)
    np.testing.assert_array_equal(found.clusters, [-1, *(number % 5 for number in range(1, 90))])
    # Half precision has eleven bits: values below 1 are right to a 4096th of their size and more.
    np.testing.assert_allclose(found.values[:, 0, 0], np.arange(90) / 1000, rtol=2**-11)
    assert found.row_seconds == pytest.approx(0.2)


def test_the_newest_are_all_there_and_older_ones_thin_out(tmp_path: Path):
    count = 20_000
    filled(512, count).write(tmp_path)
    numbers = read_windows(tmp_path).start_ns // SECOND
    assert len(numbers) == len(set(numbers)) == 512
    np.testing.assert_array_equal(numbers[-32:], np.arange(count - 32, count))
    # One in eight replaces one of 480: ages are exponential, of mean 8 * 480 windows.
    ages = count - numbers[:-32]
    assert np.mean(ages) == pytest.approx(8 * 480, rel=0.15)
    assert np.mean(ages > 8 * 480) == pytest.approx(np.exp(-1), abs=0.08)


def test_windows_of_other_frequencies_are_let_go():
    reservoir = filled(64, 200)
    reservoir.measure(GEOMETRY)
    assert reservoir.windows == 64
    reservoir.measure(OTHER)
    assert reservoir.windows == 0
    reservoir.add(window(0), 1)
    assert reservoir.windows == 1


def test_windows_that_come_while_it_is_written_are_whole_and_none_is_there_twice(tmp_path: Path):
    reservoir = filled(256, 300)
    ended = threading.Event()

    def go_on():
        number = 300
        while not ended.is_set():
            reservoir.add(window(number), 1)
            number += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for _ in range(5):
            assert reservoir.write(tmp_path) == 256
            found = read_windows(tmp_path)
            numbers = found.start_ns // SECOND
            assert len(set(numbers)) == len(numbers)
            wanted = (numbers % 1000 / 1000).astype(np.float16)
            assert (found.values == wanted[:, None, None]).all()
    finally:
        ended.set()
        thread.join()


def test_a_torn_file_is_refused(tmp_path: Path):
    filled(64, 64).write(tmp_path)
    whole = (tmp_path / "windows.npy").read_bytes()
    (tmp_path / "windows.npy").write_bytes(whole[:-5])
    with pytest.raises(BadInput, match=r"windows\.npy: cannot be read"):
        read_windows(tmp_path)
