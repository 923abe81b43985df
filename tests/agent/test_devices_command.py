"""`bandwatch devices`: radios are searched for only when asked, and say what they can do."""

import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.pipeline.soapy_driver.scenarios import devices

pytest_plugins = ["bandwatch.tests.pipeline.soapy_driver.fixture"]


def test_without_arguments_every_driver_is_searched_with_a_warning_and_nothing_opened(radio_worker):
    code, output, errors = radio_worker.run(devices)
    assert code == 0
    assert output == "driver=bandwatchtest,serial=1  Test Receiver\n"
    assert len(errors.splitlines()) == 1
    assert "may search the network" in errors and "bandwatch devices driver=rtlsdr" in errors


def test_with_a_driver_its_radios_say_what_they_can_do(radio_worker):
    code, output, errors = radio_worker.run(devices, "driver=bandwatchtest,serial=77")
    assert (code, errors) == (0, "")
    assert output.splitlines() == [
        "driver=bandwatchtest,serial=77  Test Receiver",
        "  receive channels  2",
        "  sample_rate_hz    250000..1000000, 2000000..3200000",
        "  center_hz         24000000..1766000000",
        "  bandwidth_hz      200000, 1750000",
        "  gain              0..50; LNA 0..30; VGA 0..20; automatic",
        "  antenna           RX, TX/RX",
        "  settings          biastee (true, false), correction_ppm, notch",
        "  stream formats    CF32",
    ]


def test_a_driver_that_says_little_is_said_to(radio_worker):
    _, output, _ = radio_worker.run(devices, "driver=bandwatchtest,kind=bare")
    assert "  antenna           the driver does not say" in output.splitlines()


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("absent", "  cannot be opened: no such device on the bus"),
        ("mute", "  does not answer: the bus is gone"),
        ("transmitter", "  receive channels  0"),
    ],
)
def test_a_radio_that_cannot_be_asked_is_listed_with_the_reason(radio_worker, kind, line):
    code, output, _ = radio_worker.run(devices, f"driver=bandwatchtest,kind={kind}")
    assert code == 0
    assert output.splitlines()[1:] == [line]


def test_nothing_found_is_one_line_and_a_failure(radio_worker):
    code, output, errors = radio_worker.run(devices, "driver=nonesuch")
    assert (code, output) == (1, "")
    assert errors == "no radio found for driver=nonesuch by the modules libbandwatchtest.so\n"


def test_arguments_that_are_no_keys_and_values_are_refused(radio_worker):
    with pytest.raises(BadInput, match="radio device is 'rtlsdr': must be key=value,key=value"):
        radio_worker.run(devices, "rtlsdr")
