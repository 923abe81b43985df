"""A process in which SoapySDR knows the test receiver and nothing else.

Of its own, because SoapySDR reads its environment when it is loaded, and because a misused driver takes
the process with it: the test that did it fails, and pytest lives on.
"""

import functools
import multiprocessing
import os
import shutil
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from bandwatch.tests.pipeline.soapy_driver import scenarios

SOURCE = Path(__file__).with_name("bandwatchtest.cpp")
HEADER = Path("/usr/include/SoapySDR/Device.hpp")


class Worker:
    """Runs functions of `scenarios` in the process; `run(function, ...)` gives what they return or raise."""

    def __init__(self, pool, finds):
        self.finds = finds
        self._pool = pool

    def run(self, function, *arguments, **named):
        return self._pool.submit(functools.partial(function, *arguments, **named)).result(timeout=60)


@pytest.fixture(scope="session")
def radio_environment(tmp_path_factory):
    """The environment in which SoapySDR knows the test receiver and nothing else."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: the test receiver cannot be built")
    if not HEADER.is_file():
        pytest.skip(f"{HEADER} is absent (apt install libsoapysdr-dev): the test receiver cannot be built")
    modules = tmp_path_factory.mktemp("soapy_modules")
    compiler = ["g++", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-std=c++17"]
    subprocess.run([*compiler, "-o", modules / "libbandwatchtest.so", SOURCE, "-lSoapySDR"], check=True)
    finds = tmp_path_factory.mktemp("soapy_finds") / "finds.txt"
    return {
        "SOAPY_SDR_PLUGIN_PATH": str(modules),
        "SOAPY_SDR_ROOT": "/nonexistent",
        "BANDWATCHTEST_FINDS": str(finds),
    }


@pytest.fixture(scope="session")
def radio_worker(radio_environment):
    before = dict(os.environ)
    os.environ.update(radio_environment)
    try:
        pool = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
        worker = Worker(pool, Path(radio_environment["BANDWATCHTEST_FINDS"]))
        problem = worker.run(scenarios.bindings_problem)
    finally:
        os.environ.clear()
        os.environ.update(before)
    with pool:
        if problem is not None:
            pytest.skip(problem)
        yield worker
