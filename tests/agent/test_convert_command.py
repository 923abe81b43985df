"""`bandwatch convert`, as it is called."""

from __future__ import annotations

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bandwatch.agent.commands.convert import convert_command
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.readers.parquet import ParquetFrames
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.sidecar import Sidecar
from bandwatch.tests.recorded import levels, write_recording

app = typer.Typer()
app.command()(convert_command)


def run(*arguments: object):
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_rows_become_parquet_and_what_was_written_is_told(tmp_path):
    source = write_recording(tmp_path / "week.npy", levels(300, 20))
    result = run(source, tmp_path / "week.parquet")
    assert result.exit_code == 0, result.output
    size = (tmp_path / "week.parquet").stat().st_size
    assert f"week.parquet: 300 rows, {size:,} bytes" in result.stdout
    path = tmp_path / "week.parquet"
    assert ParquetFrames(path, Sidecar(path)).facts.band == "week"


@pytest.mark.parametrize("given", ["iq", "iq.sigmf-meta", "iq.sigmf-data"])
def test_samples_become_a_sigmf_pair(tmp_path, given):
    source = tmp_path / "x_433.92M_250k.cu8"
    samples = np.random.default_rng(0).integers(0, 255, (40_000, 2), dtype=np.uint8)
    samples.tofile(source)
    result = run(source, tmp_path / given)
    assert result.exit_code == 0, result.output
    assert "40,000 samples" in result.stdout
    assert (tmp_path / "iq.sigmf-data").read_bytes() == samples.tobytes()
    found = open_recording(tmp_path / "iq.sigmf-meta").iq
    assert found is not None
    assert found.facts.captures[0].center_hz == 433.92e6
    again = run(tmp_path / "iq.sigmf-meta", tmp_path / "iq.sigmf-data", "--force")
    assert isinstance(again.exception, BadInput)
    assert "is the recording to be read" in str(again.exception)


def test_help_has_an_example():
    assert "bandwatch convert week.h5 week.parquet" in run("--help").stdout
