"""Windows drawn for an evaluation: all there are, or evenly so many, and each with its own facts."""

import numpy as np
import pytest

from bandwatch.models.evaluated_windows import gather_evaluated
from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_truth import Truth
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import write_recording


class Named:
    """A truth that names the window: what was kept must have it."""

    def truth_of(self, window):
        return Truth(frozenset(), f"{window.start_ns}/{window.segment}")


@pytest.fixture
def recordings(tmp_path):
    found = []
    for number, rows in enumerate((128 * 10, 128 * 4)):
        power_db = np.random.default_rng(number).normal(-100, 3, (rows, 256)).astype(np.float32)
        found.append(open_recording(write_recording(tmp_path / f"{number}.npy", power_db)))
    return found


def expected(recordings):
    return [
        (index, window)
        for index, recording in enumerate(recordings)
        for window in cut_windows(recording, 128)
    ]


@pytest.mark.parametrize("most", [28, 100])
def test_all_windows_in_order_where_they_fit(recordings, most):
    rows = []
    windows = gather_evaluated(
        recordings, [Named()] * 2, most=most, stride_rows=128, on_row=lambda: rows.append(1)
    )
    every = expected(recordings)
    assert len(windows) == windows.given == len(every) == 28
    assert len(rows) == 128 * 14
    for place, (index, window) in enumerate(every):
        assert windows.recording[place] == index
        assert windows.segment[place] == window.segment
        assert windows.truths[place].main_kind == f"{window.start_ns}/{window.segment}"
        assert (windows.values[place] == window.values.astype(np.float16)).all()


def test_so_many_drawn_keep_their_facts_order_and_seed(recordings):
    by_name = {
        (index, f"{window.start_ns}/{window.segment}"): window for index, window in expected(recordings)
    }
    drawn = [
        gather_evaluated(recordings, [Named()] * 2, most=9, stride_rows=128, seed=seed) for seed in (1, 1, 2)
    ]
    for windows in drawn:
        assert (len(windows), windows.given) == (9, 28)
        places = [
            (index, truth.main_kind)
            for index, truth in zip(windows.recording.tolist(), windows.truths, strict=True)
        ]
        assert len(set(places)) == 9
        assert [list(by_name).index(place) for place in places] == sorted(
            list(by_name).index(place) for place in places
        )
        for values, place in zip(windows.values, places, strict=True):
            assert (values == by_name[place].values.astype(np.float16)).all()
    assert drawn[0].values.tobytes() == drawn[1].values.tobytes()
    assert drawn[0].values.tobytes() != drawn[2].values.tobytes()


def test_each_window_is_as_likely_to_be_drawn(tmp_path):
    power_db = np.random.default_rng(0).normal(-100, 3, (128 * 5, 128)).astype(np.float32)
    recording = open_recording(write_recording(tmp_path / "five.npy", power_db))
    drawn = np.zeros(5)
    for seed in range(50):
        windows = gather_evaluated([recording], most=2, stride_rows=128, seed=seed)
        drawn[(windows.start_ns - recording.start_ns) // (128 * recording.step_ns)] += 1
    assert drawn.sum() == 100
    assert (np.abs(drawn - 20) < 14).all()  # 20 of 50 each, with a deviation of 3.5


def test_windows_that_do_not_fit_into_memory(recordings):
    with pytest.raises(BadInput, match=r"--most-windows 10+: they need \d+ GiB of memory"):
        gather_evaluated(recordings, most=10**12, stride_rows=128)
