"""The bindings, what a radio is asked for, and a stream that is read and closed safely."""

import dataclasses
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.soapy import RadioLost, RadioState
from bandwatch.pipeline.soapy_bindings import load_bindings
from bandwatch.pipeline.soapy_settings import device_arguments, in_words
from bandwatch.tests.pipeline.soapy_driver.scenarios import (
    close_while_reading,
    environment_after_loading,
    opened,
)

pytest_plugins = ["bandwatch.tests.pipeline.soapy_driver.fixture"]

TO_INSTALL = "install them from the operating system (Debian, Ubuntu: apt install python3-soapysdr)"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


# The bindings


def test_the_systems_bindings_load_without_the_systems_packages(radio_worker):
    found = radio_worker.run(environment_after_loading)
    assert not [entry for entry in found["path"] if entry.endswith("/python3/dist-packages")]
    assert "dist-packages" not in found["numpy"]
    assert found["again"]


def test_absent_bindings_are_one_line_that_says_what_to_install(tmp_path):
    with pytest.raises(BadInput) as refused:
        load_bindings([tmp_path / "nowhere", tmp_path])
    assert str(refused.value) == f"the SoapySDR Python bindings are not installed: {TO_INSTALL}"


def test_bindings_without_their_extension_are_refused(tmp_path):
    (tmp_path / "SoapySDR.py").write_text("")
    with pytest.raises(BadInput) as refused:
        load_bindings([tmp_path])
    assert str(refused.value) == (
        f"the SoapySDR Python bindings in {tmp_path} lack their extension module: {TO_INSTALL}"
    )


def test_bindings_for_another_python_are_refused_by_both_versions(tmp_path):
    (tmp_path / "SoapySDR.py").write_text("")
    (tmp_path / "_SoapySDR.cpython-27-x86_64-linux-gnu.so").write_bytes(b"")
    with pytest.raises(BadInput) as refused:
        load_bindings([tmp_path])
    assert str(refused.value) == (
        f"the SoapySDR Python bindings in {tmp_path} are for another Python "
        f"(_SoapySDR.cpython-27-x86_64-linux-gnu.so) and this is Python {HERE}: make the environment with "
        "the operating system's Python"
    )


def test_bindings_that_do_not_load_leave_nothing_behind(tmp_path):
    (tmp_path / "SoapySDR.py").write_text("")
    (tmp_path / "_SoapySDR.abi3.so").write_bytes(b"not a library")
    with pytest.raises(BadInput, match="do not load: .*_SoapySDR.abi3.so") as refused:
        load_bindings([tmp_path])
    assert "\n" not in str(refused.value)
    assert not {"SoapySDR", "_SoapySDR"} & set(sys.modules)


def test_a_library_of_another_abi_is_refused_in_one_line(tmp_path):
    if not empty_extension(tmp_path):
        pytest.skip("no extension module to stand for _SoapySDR could be compiled here")
    (tmp_path / "SoapySDR.py").write_text(r"raise Exception('Failed ABI check.\nlibrary: 0.7')")
    assert loaded_apart(f"load_bindings([Path({str(tmp_path)!r})])") == (
        f"bandwatch.pipeline.errors.BadInput: the SoapySDR Python bindings in {tmp_path} do not load: "
        "Failed ABI check. library: 0.7"
    )


def test_bindings_of_the_environment_itself_are_taken_first(tmp_path):
    if not empty_extension(tmp_path):
        pytest.skip("no extension module to stand for _SoapySDR could be compiled here")
    (tmp_path / "SoapySDR.py").write_text("import _SoapySDR")
    code = f"sys.path.append({str(tmp_path)!r}); print(load_bindings().__file__)"
    assert loaded_apart(code) == str(tmp_path / "SoapySDR.py")


def loaded_apart(code):
    """The last line said by a process of its own: an extension module stays loaded."""
    start = "import sys\nfrom pathlib import Path\n"
    start += "from bandwatch.pipeline.soapy_bindings import load_bindings\n"
    run = subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, timeout=60, check=False
    )
    return (run.stdout + run.stderr).splitlines()[-1]


def empty_extension(directory):
    """Compile an empty extension module `_SoapySDR`; False where g++ or Python's headers are absent."""
    source = directory / "empty.cpp"
    source.write_text(
        "#include <Python.h>\n"
        'static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_SoapySDR", 0, 0, 0, 0, 0, 0, 0};\n'
        "PyMODINIT_FUNC PyInit__SoapySDR(void) { return PyModuleDef_Init(&module); }\n"
    )
    headers = sysconfig.get_path("include")
    if shutil.which("g++") is None or not Path(headers, "Python.h").is_file():
        return False
    target = directory / "_SoapySDR.abi3.so"
    subprocess.run(["g++", "-shared", "-fPIC", f"-I{headers}", "-o", target, source], check=True)
    return True


# Device strings and settings


def test_a_device_string_is_keys_and_values():
    assert device_arguments("driver=remote, remote=tcp://host:55132,a=b=c") == {
        "driver": "remote",
        "remote": "tcp://host:55132",
        "a": "b=c",
    }


@pytest.mark.parametrize(
    ("device", "limit"),
    [
        ("", "must be key=value,key=value, found ''"),
        ("rtlsdr", "must be key=value,key=value, found 'rtlsdr'"),
        ("driver=", "must be key=value,key=value, found 'driver='"),
        ("driver=a,driver=b", "has driver twice"),
        ("serial=1", "must name its driver, such as driver=rtlsdr"),
    ],
)
def test_a_device_string_that_names_no_device_is_refused(device, limit):
    with pytest.raises(BadInput) as refused:
        device_arguments(device)
    assert str(refused.value) == f"radio device is {device!r}: {limit}"


def test_only_the_named_driver_is_ever_searched(radio_worker):
    radio_worker.finds.unlink(missing_ok=True)
    radio_worker.run(opened, "serial=5")
    assert radio_worker.finds.read_text().splitlines()
    assert all("driver=bandwatchtest" in line for line in radio_worker.finds.read_text().splitlines())


def test_a_driver_that_is_not_installed_is_refused(radio_worker):
    with pytest.raises(
        BadInput, match="^radio 'driver=nonesuch' cannot be opened: its driver is not installed$"
    ):
        radio_worker.run(opened, device="driver=nonesuch")


def test_settings_reach_the_driver(radio_worker, tmp_path):
    journal = tmp_path / "journal"
    state = radio_worker.run(
        opened,
        f"case=settings,journal={journal}",
        sample_rate_hz=2_400_000,
        center_hz=433_920_000,
        bandwidth_hz=1_750_000,
        gain={"LNA": 20, "VGA": 8},
        antenna="TX/RX",
        channel=1,
        settings={"biastee": "true", "notch": "fm", "correction_ppm": "-3.5"},
    )
    assert state == RadioState(sample_rate_hz=2.4e6, center_hz=433.92e6, gain_db=28.0)
    assert journal.read_text().splitlines() == [
        "open 1",
        "antenna TX/RX",
        "setting biastee=true",
        "channel 1 setting notch=fm",
        "setting correction_ppm=-3.5",
        "bandwidth 1750000",
        "gain manual",
        "setup CF32 1",
        "activate",
        "deactivate",
        "close",
        "unmake",
    ]


def test_automatic_gain_is_off_unless_it_is_asked_for(radio_worker, tmp_path):
    for name, gain, said in (("a", None, "gain manual"), ("b", "automatic", "gain automatic")):
        radio_worker.run(opened, f"journal={tmp_path / name}", gain=gain)
        assert said in (tmp_path / name).read_text().splitlines()


def test_a_driver_that_tells_no_limits_is_trusted(radio_worker):
    state = radio_worker.run(opened, "bare=1", sample_rate_hz=123e6, center_hz=5)
    assert state == RadioState(sample_rate_hz=123e6, center_hz=0.0, gain_db=None)


RATES = "the driver takes 250000..1000000, 2000000..3200000"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_rate_hz": 1.5e6}, f"sample_rate_hz is 1500000: {RATES}"),
        ({"sample_rate_hz": float("nan")}, f"sample_rate_hz is nan: {RATES}"),
        ({"center_hz": 2.4e9}, "center_hz is 2400000000: the driver takes 24000000..1766000000"),
        ({"bandwidth_hz": 1e6}, "bandwidth_hz is 1000000: the driver takes 200000, 1750000"),
        ({"gain": 60}, "gain is 60: the driver takes 0..50"),
        ({"gain": -1.5}, "gain is -1.5: the driver takes 0..50"),
        ({"gain": "auto"}, "gain is auto: must be a number of dB, named stages or 'automatic'"),
        ({"gain": {"LNA": 31}}, "gain LNA is 31: the driver takes 0..30"),
        ({"gain": {"lna": 3}}, "gain stage is lna: the driver has LNA, VGA"),
        ({"antenna": "rx"}, "antenna is rx: the driver has RX, TX/RX"),
        ({"channel": 2}, "channel is 2: the driver has 2, counted from 0"),
        ({"channel": -1}, "channel is -1: the driver has 2, counted from 0"),
        ({"settings": {"biastee": "yes"}}, "settings.biastee is yes: the driver has true, false"),
        (
            {"settings": {"correction_ppm": "101"}},
            "settings.correction_ppm is 101: the driver takes -100..100",
        ),
        ({"settings": {"correction_ppm": "much"}}, "settings.correction_ppm is much: must be a number"),
        (
            {"settings": {"bias": "1"}},
            "settings.bias is 1: the driver has no such setting (it has: biastee, correction_ppm, notch)",
        ),
    ],
)
def test_a_value_out_of_the_drivers_limits_is_named_with_them(radio_worker, changes, message):
    with pytest.raises(BadInput) as refused:
        radio_worker.run(opened, **changes)
    assert str(refused.value) == f"radio 'driver=bandwatchtest': {message}"


@pytest.mark.parametrize(
    ("device", "changes", "message"),
    [
        ("bare=1", {"gain": "automatic"}, "gain is automatic: the driver has no automatic gain"),
        ("bare=1", {"gain": 10}, "gain is 10: the driver takes 0"),
        ("bare=1", {"antenna": "RX"}, "antenna is RX: the driver has none"),
        ("bare=1", {"sample_rate_hz": 0}, "sample_rate_hz is 0: must be a finite number above 0"),
        ("bare=1", {"center_hz": float("inf")}, "center_hz is inf: must be a finite number above 0"),
        (
            "bare=1",
            {"settings": {"a": "1"}},
            "settings.a is 1: the driver has no such setting (it has: none)",
        ),
        ("throw_rate=1", {}, "sample_rate_hz is 1000000.0: the driver says 'clock is not locked'"),
        ("format=CS16", {}, "its stream formats are CS16: CF32 is needed"),
    ],
)
def test_what_a_sparse_or_failing_driver_cannot_do_is_refused(radio_worker, device, changes, message):
    with pytest.raises(BadInput) as refused:
        radio_worker.run(opened, device, **changes)
    assert str(refused.value) == f"radio 'driver=bandwatchtest,{device}': {message}"


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("throw_setup=1", "its stream does not start: no bandwidth left on the bus"),
        ("null_stream=1", "the driver gives no stream"),
        ("activate_code=-2", "its stream does not start: STREAM_ERROR"),
        ("bare=1,zero_rate=1", "the driver says its rate is 0.0"),
        ("throw_state=1", "asking its state fails: the bus is gone"),
    ],
)
def test_a_radio_that_does_not_start_is_closed_again(radio_worker, device, message, tmp_path):
    journal = tmp_path / "journal"
    with pytest.raises(RadioLost) as lost:
        radio_worker.run(opened, f"{device},journal={journal}")
    assert str(lost.value) == f"radio 'driver=bandwatchtest,{device},journal={journal}': {message}"
    assert journal.read_text().splitlines()[-1] == "unmake"


@dataclasses.dataclass(frozen=True)
class Span:
    low: float
    high: float

    def minimum(self):
        return self.low

    def maximum(self):
        return self.high


def test_ranges_read_as_plain_numbers():
    assert in_words([Span(225_001, 300_000), Span(3.2e6, 3.2e6), Span(-0.5, 49.6)]) == (
        "225001..300000, 3200000, -0.5..49.6"
    )
    assert in_words([]) == ""


# Closing


@pytest.mark.parametrize("device", ["paced=1", "timeout_after=0", "short=1"])
def test_a_radio_may_be_closed_while_another_thread_reads_it(radio_worker, device):
    name = f"radio 'driver=bandwatchtest,{device}'"
    # The reader and the question after it are answered; the driver would have aborted the process.
    assert radio_worker.run(close_while_reading, device, 0.1) == [f"{name} is closed"] * 2
