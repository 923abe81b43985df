"""SoapySDR's Python bindings, which come from the operating system and not from PyPI."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from .errors import BadInput

_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"

SYSTEM_DIRECTORIES: tuple[Path, ...] = (
    Path("/usr/lib/python3/dist-packages"),
    Path("/usr/local/lib/python3/dist-packages"),
    *(
        Path(f"{prefix}/{library}/python{_MINOR}/{packages}")
        for prefix in ("/usr/local", "/usr")
        for library in ("lib", "lib64")
        for packages in ("dist-packages", "site-packages")
    ),
)
"""Where Debian, Fedora, Arch and a build from source put SoapySDR.py and its extension module."""

_TO_INSTALL = "install them from the operating system (Debian, Ubuntu: apt install python3-soapysdr)"


def load_bindings(directories: Sequence[Path] = SYSTEM_DIRECTORIES) -> ModuleType:
    """The module `SoapySDR`, loaded once a process, from inside a virtual environment too.

    Its two files are loaded by path: with their directory on `sys.path` the system's numpy would shadow
    the environment's. Where the environment has bindings of its own (conda), those are taken.

    Raises BadInput where they are absent, are of another Python version, or do not load.
    """
    if "SoapySDR" in sys.modules:
        return sys.modules["SoapySDR"]
    own = importlib.util.find_spec("SoapySDR")
    if own is not None and own.origin is not None:
        return _load(Path(own.origin).parent, directories)
    for directory in directories:
        if (directory / "SoapySDR.py").is_file():
            return _load(directory, directories)
    raise BadInput(f"the SoapySDR Python bindings are not installed: {_TO_INSTALL}")


def _load(directory: Path, directories: Sequence[Path]) -> ModuleType:
    extension = _extension_in(directory, directories)
    try:
        # SoapySDR.py imports _SoapySDR by name.
        _execute("_SoapySDR", extension)
        return _execute("SoapySDR", directory / "SoapySDR.py")
    except Exception as error:
        # Not only ImportError: the bindings raise a plain Exception where the library's ABI differs.
        sys.modules.pop("_SoapySDR", None)
        reason = " ".join(str(error).split())
        raise BadInput(f"the SoapySDR Python bindings in {directory} do not load: {reason}") from error


def _execute(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _extension_in(directory: Path, directories: Sequence[Path]) -> Path:
    # Fedora keeps the extension in lib64 and the rest in lib.
    places = [directory, *directories]
    for place in places:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            if (place / f"_SoapySDR{suffix}").is_file():
                return place / f"_SoapySDR{suffix}"
    others = sorted(path.name for place in places for path in place.glob("_SoapySDR*.so"))
    if not others:
        raise BadInput(
            f"the SoapySDR Python bindings in {directory} lack their extension module: {_TO_INSTALL}"
        )
    raise BadInput(
        f"the SoapySDR Python bindings in {directory} are for another Python ({others[0]}) and this is "
        f"Python {_MINOR}: make the environment with the operating system's Python"
    )
