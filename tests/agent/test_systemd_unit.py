import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "bandwatch.service"
ANALYZE = shutil.which("systemd-analyze")


class Options(dict):
    """Keeps every value of an option that stands more than once."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
            return
        super().__setitem__(key, value)


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    parser = configparser.ConfigParser(
        dict_type=Options, strict=False, interpolation=None, delimiters=("=",), empty_lines_in_values=False
    )
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    parser.read(UNIT)
    return dict(parser["Service"])


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say_against_it(tmp_path):
    assert ANALYZE is not None
    # verify insists that the command exists; everything else stays as shipped.
    text, changed = re.subn(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    assert changed == 1
    copy = tmp_path / "bandwatch.service"
    copy.write_text(text)
    check = subprocess.run([ANALYZE, "verify", copy], capture_output=True, text=True, timeout=60)
    said = [line for line in check.stderr.splitlines() if "bandwatch.service" in line]
    assert check.returncode == 0, check.stderr
    assert said == []


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_its_exposure_is_low(tmp_path):
    assert ANALYZE is not None
    check = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--threshold=30", UNIT],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert check.returncode == 0, check.stdout[-400:]


def test_it_is_started_watched_and_stopped_as_the_agent_expects(service):
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 30
    assert service["TimeoutStopSec"] == "10"
    assert service["ExecStart"] == "/opt/bandwatch/bin/bandwatch run -c /etc/bandwatch/bandwatch.yaml"


def test_it_comes_back_after_a_failure_for_ever_but_not_after_bad_configuration(service):
    assert service["Restart"] == "on-failure"
    assert "2" in service["RestartPreventExitStatus"].split()
    assert "StartLimitIntervalSec=0" in UNIT.read_text()


def test_it_may_write_where_the_settings_point_and_nowhere_else(service):
    assert service["StateDirectory"] == "bandwatch"
    assert "BANDWATCH__STORE__DIRECTORY=%S/bandwatch" in service["Environment"]
    assert (service["ProtectSystem"], service["ProtectHome"], service["PrivateTmp"]) == (
        "strict",
        "yes",
        "yes",
    )
    assert (service["DynamicUser"], service["NoNewPrivileges"]) == ("yes", "yes")


def test_usb_receivers_are_left_to_it_and_compiled_kernels_may_run(service):
    assert service["DeviceAllow"] == "char-usb_device rw"
    assert "PrivateDevices" not in service
    assert "MemoryDenyWriteExecute" not in service
    assert "AF_NETLINK" in service["RestrictAddressFamilies"]
