"""`bandwatch inspect` tells what a recording is, and draws it."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bandwatch.agent.commands.inspect import inspect_command
from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.recorded import levels, real, write_recording

app = typer.Typer()
app.command()(inspect_command)


def inspect(*arguments: object) -> str:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(
        app, [str(argument) for argument in arguments], catch_exceptions=False
    )
    assert result.exit_code == 0
    return result.stdout


def facts(text: str) -> dict[str, str]:
    cells = [line.split("│") for line in text.splitlines() if line.count("│") == 3]
    return {name.strip(): value.strip() for _, name, value, _ in cells}


def test_a_recording_is_told_in_a_table(tmp_path: Path) -> None:
    values = levels(200, 40)
    path = write_recording(tmp_path / "band.npy", values, step_seconds=0.2, node="attic")
    said = facts(inspect(path))
    assert said["format"] == "npy, values float32"
    assert said["node / band"] == "attic / band"
    assert (said["from"], said["to"]) == ("2026-01-31T12:00:00Z", "2026-01-31T12:00:40Z")
    assert said["lasting"] == "40 s"
    assert (said["rows"], said["a row every"]) == ("200", "0.2 s (5 rows a second)")
    assert (said["bins"], said["bin centres"]) == ("40 of 1 kHz", "868 to 868.039 MHz")
    assert said["unit"] == "dBm/bin"
    assert said["lowest level"] == f"{values.min():.2f}"
    assert said["median level"] == f"{np.median(values):.2f}"
    assert said["highest level"] == f"{values.max():.2f}"
    assert said["gaps"] == "none"
    assert said["windows"] == "5, one every 16 rows of 128; 1 segment, stretched from 40 to 128 columns"


def test_gaps_and_problems_are_told(tmp_path: Path) -> None:
    values = levels(300, 200)
    values[40:45] = np.nan
    times = 1.7e9 + np.arange(300.0)
    times[200:] += 50
    text = inspect(write_recording(tmp_path / "band.npz", values, times=times))
    said = facts(text)
    assert said["rows"] == "300, 5 of them with NaN or infinity"
    assert said["gaps"] == "1, about 50 rows lost"
    assert said["longest unbroken"] == "155 rows"
    assert said["windows"] == "4, one every 16 rows of 128; 2 segments of 128 bins, 56 shared"
    assert said["a row every"] == "1 s (3600 rows an hour)"
    assert "problem: row 200: 51 s after the row before, about 50 rows lost" in text
    assert "problem: rows 40-44: NaN or infinite values" in text


@pytest.mark.parametrize(
    ("rows", "bins", "windows"),
    [
        (200, 31, "none: too_few_bins, 31 of at least 32"),
        (100, 256, "none: no 128 rows without a break; 2 segments of 128 bins"),
    ],
)
def test_why_there_are_no_windows_is_told(tmp_path: Path, rows: int, bins: int, windows: str) -> None:
    path = write_recording(tmp_path / "band.npy", levels(rows, bins))
    assert facts(inspect(path))["windows"] == windows


def test_a_file_name_is_no_markup(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "[red]band.npy", levels(3))
    assert "[red]band.npy" in inspect(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_recording_without_one_row_of_numbers_is_refused(tmp_path: Path, suffix: str) -> None:
    path = write_recording(tmp_path / f"band{suffix}", np.full((5, 40), np.nan))
    with pytest.raises(BadInput, match="all 5 rows hold NaN or infinite values"):
        inspect(path, "--png", tmp_path / "band.png")
    assert not (tmp_path / "band.png").exists()


def test_a_picture_shows_where_the_level_is_high(tmp_path: Path) -> None:
    values = np.full((100, 100), -100.0, dtype=np.float32)
    values[:50, 75:] = -60.0  # early and high
    values[90, 0] = np.nan
    path = write_recording(tmp_path / "band.npy", values)
    assert f"waterfall: {tmp_path / 'band.png'}" in inspect(path, "--png", tmp_path / "band.png").replace(
        "\n", ""
    )
    image = matplotlib.image.imread(tmp_path / "band.png")
    height, width, _ = image.shape
    assert max(height, width) <= 2000
    yellow = (image[:, :, 0] > 0.9) & (image[:, :, 1] > 0.85) & (image[:, :, 2] < 0.3)
    down, across = np.nonzero(yellow[:, : int(0.87 * width)])  # without the colour bar
    assert down.max() < 0.55 * height
    assert across.min() > 0.6 * width


def test_the_same_recording_gives_the_same_picture(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", levels(2500, 2100))
    pictures = [tmp_path / "one.png", tmp_path / "other.png"]
    for picture in pictures:
        inspect(path, "--png", picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_a_picture_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", levels(3))
    for png in (tmp_path, tmp_path / "nowhere" / "band.png"):
        with pytest.raises(BadInput, match=r"--png .*; limit: a file in a folder that exists"):
            inspect(path, "--png", png)
    with pytest.raises(BadInput, match=r"--png .*: cannot be written: File name too long"):
        inspect(path, "--png", tmp_path / ("x" * 300))
    with pytest.raises(BadInput, match=r"--png /dev/full: cannot be written: No space left on device"):
        inspect(path, "--png", "/dev/full")


@pytest.mark.parametrize(
    ("name", "windows"),
    [
        ("logatec-868mhz/data_reduced.h5", "8, one every 16 rows of 128; 8 segments of 128 bins"),
        (
            "electrosense-madrid/psd_db.csv",
            "236, one every 16 rows of 128; 2 segments of 128 bins, 105 shared",
        ),
        ("callisto/GAURI.npz", "2,686, one every 16 rows of 128; 2 segments of 128 bins, 56 shared"),
    ],
)
def test_real_recordings_are_told_and_drawn(tmp_path: Path, name: str, windows: str) -> None:
    said = facts(inspect(real(name), "--png", tmp_path / "band.png"))
    assert said["windows"] == windows
    image = matplotlib.image.imread(tmp_path / "band.png")
    assert len(np.unique((image[:, :, 1] * 255).astype(np.uint8))) > 50
