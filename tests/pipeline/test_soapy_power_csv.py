"""soapy_power's tables as its writer.py writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap
from bandwatch.pipeline.readers.reader import HEAD_BYTES, Identity, Opening
from bandwatch.pipeline.readers.rtl_power_csv import FORMAT as RTL_FORMAT
from bandwatch.pipeline.readers.soapy_power_csv import FORMAT
from bandwatch.pipeline.sidecar import Sidecar

NS = 1_000_000_000
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def hop_line(center_hz: float, rate_hz: float, power: np.ndarray, end: datetime) -> str:
    """A line as RtlPowerWriter writes it: the frequencies of the bins are those of the FFT, shifted."""
    bins = len(power)
    f_array = np.fft.fftshift(np.fft.fftfreq(bins, 1 / rate_hz) + center_hz)
    step = f_array[1] - f_array[0]
    row = [end.strftime("%Y-%m-%d"), end.strftime("%H:%M:%S"), f_array[0], f_array[-1] + step, step, 4096]
    return ", ".join(str(each) for each in [*row, *power])


def sweeps(path: Path, hop_s: float, runs: int, bins: int = 8, rate_hz: float = 2e6, hops: int = 3) -> Path:
    lines = []
    for turn in range(runs * hops):
        run, place = divmod(turn, hops)
        power = -60 - np.arange(bins) / 8 - 10 * place - run
        lines.append(
            hop_line(89e6 + place * rate_hz, rate_hz, power, NOON + timedelta(seconds=(turn + 1) * hop_s))
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def opened(path: Path, zone: str | None = None, **sidecar):
    return FORMAT.open(path, Sidecar(path, **sidecar), Opening(time_zone=ZoneInfo(zone) if zone else None))


def items_of(reader):
    return list(reader.frames(Identity("node", "band", 7), 16, None))


class TestRows:
    def test_hops_are_one_row_whose_first_bin_is_hz_low(self, tmp_path):
        reader = opened(sweeps(tmp_path / "soapy.csv", hop_s=2.0, runs=4))
        facts = reader.facts
        assert (facts.rows, facts.bins, facts.first_hz, facts.bin_hz) == (4, 24, 88e6, 250e3)
        assert (facts.unit, facts.step_ns, facts.problems) == ("dBFS/Hz", 6 * NS, ())
        run_2 = np.concatenate([-62 - np.arange(8) / 8 - 10 * place for place in range(3)])
        assert np.array_equal(items_of(reader)[2].power_db, run_2.astype(np.float32))

    @pytest.mark.parametrize("rate_hz", [2.56e6, 1e6 / 3])
    def test_bins_of_odd_widths_abut(self, tmp_path, rate_hz):
        reader = opened(
            sweeps(tmp_path / "soapy.csv", hop_s=2.0, runs=2, bins=1000, rate_hz=rate_hz, hops=40)
        )
        assert (reader.facts.bins, reader.facts.problems) == (40_000, ())
        assert reader.facts.bin_hz == pytest.approx(rate_hz / 1000, rel=1e-9)

    def test_sweeps_faster_than_a_second_have_times_of_their_own(self, tmp_path):
        reader = opened(sweeps(tmp_path / "soapy.csv", hop_s=0.1, runs=40))
        items = items_of(reader)
        assert not [item for item in items if isinstance(item, Gap)]
        true_ns = [round((NOON.timestamp() + 0.3 * run + 0.1) * NS) for run in range(40)]
        found_ns = [item.time_ns for item in items]
        assert np.abs(np.subtract(found_ns, true_ns)).max() < NS
        assert found_ns == sorted(set(found_ns))

    def test_the_times_are_utc_unless_the_sidecar_says_else(self, tmp_path):
        path = sweeps(tmp_path / "soapy.csv", hop_s=2.0, runs=2)
        noon_ns = round(NOON.timestamp()) * NS
        assert opened(path, zone="Asia/Tokyo").facts.start_ns == noon_ns + 2 * NS
        berlin = opened(path, time_zone=ZoneInfo("Europe/Berlin"))
        assert berlin.facts.start_ns == noon_ns + 2 * NS - 3600 * NS

    def test_the_sidecar_names_and_says_the_unit(self, tmp_path):
        path = sweeps(tmp_path / "soapy.csv", hop_s=2.0, runs=2)
        facts = opened(path, node="attic", band="fm", unit="dBm/bin", step_ns=5 * NS).facts
        assert (facts.node, facts.band, facts.unit, facts.step_ns) == ("attic", "fm", "dBm/bin", 5 * NS)

    def test_a_cut_line_is_told_and_its_row_lacks_its_bins(self, tmp_path):
        path = sweeps(tmp_path / "soapy.csv", hop_s=2.0, runs=3)
        path.write_text(path.read_text()[:-30])
        reader = opened(path)
        assert reader.facts.problems[0].startswith("line 9: ")
        assert "8 are said: cut?" in reader.facts.problems[0]
        assert "row 2: a partial sweep: 8 of 24 bins missing, NaN in their place" in reader.facts.problems
        assert np.isnan(items_of(reader)[2].power_db).sum() == 8

    def test_a_table_of_rtl_power_is_refused(self, tmp_path):
        path = tmp_path / "rtl.csv"
        path.write_text("2026-01-31, 12:00:00, 99000000, 101000000, 1000000.00, 9, -1.00, -2.00, -2.00\n")
        with pytest.raises(
            BadInput, match="no line of soapy_power can be read: line 1: 3 values, 2 are said"
        ):
            opened(path)


class TestRecognition:
    def test_its_own_tables_are_and_are_not_rtl_power_s(self, tmp_path):
        assert FORMAT.matches is not None
        assert RTL_FORMAT.matches is not None
        for bins in (2, 8, 1000):
            path = sweeps(tmp_path / "soapy.csv", hop_s=2.0, runs=1, bins=bins)
            head = path.read_bytes()[:HEAD_BYTES]
            assert FORMAT.matches(path, head)
            assert not RTL_FORMAT.matches(path, head)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "1.0,2.0\n",
            "2026-01-31, 12:00:00.123456, 100000000, 105000000, 2500000.00, 20, -1.00, -2.00\n",
            "2026-01-31, 12:00:00, 99000000, 101000000, 1000000.00, 9, -1.00, -2.00, -2.00\n",
        ],
    )
    def test_others_are_not(self, tmp_path, text):
        path = tmp_path / "other.csv"
        path.write_text(text)
        assert FORMAT.matches is not None
        assert not FORMAT.matches(path, path.read_bytes()[:HEAD_BYTES])
