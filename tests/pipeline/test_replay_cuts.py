"""Parts of recordings: what `--from` and `--to` leave, and channels that are bands of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bandwatch.agent.commands.convert import convert_command
from bandwatch.agent.recordings import open_for_replay
from bandwatch.config.schema import Band, Psd, Settings
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording, replay_sources

SECOND = 1_000_000_000
START = 1_770_000_000


def with_a_hole(folder):
    """Rows at 0, 1, ... 9 s and 100, 101, ... 109 s; the last ten NaN."""
    values = np.full((20, 40), -90.0, np.float32)
    values[10:] = np.nan
    seconds = START + np.r_[0.0:10.0, 100.0:110.0]
    path = folder / "hole.npz"
    np.savez(path, power=values, t=seconds)
    (folder / "hole.npz.yaml").write_text(
        "time_unix: t\narray: power\nfirst_hz: 1e6\nbin_hz: 1e3\nunit: dB\n"
    )
    return path


@pytest.mark.parametrize("loop", [False, True])
def test_a_cut_inside_a_hole_is_refused_rather_than_played_without_end(tmp_path, loop):
    cut = {"from_ns": (START + 20) * SECOND, "to_ns": (START + 90) * SECOND}
    with pytest.raises(BadInput, match="no recording has rows between --from and --to; limit: at least 1"):
        next(replay_sources([with_a_hole(tmp_path)], loop=loop, **cut))


def test_rows_without_numbers_are_counted_within_the_cut(tmp_path):
    with pytest.raises(BadInput, match="hole.npz: all 10 rows hold NaN"):
        list(replay_sources([with_a_hole(tmp_path)], from_ns=(START + 50) * SECOND))


def test_rows_of_power_have_one_channel(tmp_path):
    with pytest.raises(BadInput, match="hole.npz: channel 1; limit: 0"):
        open_recording(with_a_hole(tmp_path), channel=1)


def test_each_channel_becomes_rows_as_the_settings_of_its_own_band_say(tmp_path):
    np.ones((8192, 2, 2), "<i2").tofile(tmp_path / "two.sigmf-data")
    meta = {"core:datatype": "ci16_le", "core:sample_rate": 1e5, "core:version": "1.0.0"}
    text = {"global": meta | {"core:num_channels": 2}, "captures": [{"core:sample_start": 0}]}
    (tmp_path / "two.sigmf-meta").write_text(json.dumps(text | {"annotations": []}))
    settings = Settings(bands=(Band(name="two-ch1", psd=Psd(bins=256, frames_per_row=4)),))
    first, second = open_for_replay([tmp_path / "two.sigmf-meta"], settings, None)
    assert (first.band, second.band) == ("two-ch0", "two-ch1")
    assert first.bins == 64  # chosen for so few samples
    assert second.bins == 256


def test_what_is_odd_about_a_file_is_told_when_it_is_converted(tmp_path, capsys):
    source = tmp_path / "odd_433.92M_1000k.cs8"
    source.write_bytes(bytes(20_001))
    convert_command(source, tmp_path / "rows.parquet", channel=0, zone=None, force=False)
    assert "problem: 1 bytes after the last whole sample are left out" in capsys.readouterr().err
