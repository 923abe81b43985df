"""Peak memory and speed of reading recordings of 10 GB, in each format that can be that large.

    .venv/bin/python benchmarks/large_recordings.py [FORMAT ...] [--gigabytes 10] [--dir /tmp] [--agent]

A synthetic recording is written, replayed in a process of its own, and deleted: one at a time. Reading
alone is `replay_sources` iterated to the end; with --agent it is `bandwatch replay FILE --speed max` with a
window every 128 rows. Peak memory is the child's ru_maxrss, which counts mapped pages too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from large_files import FORMATS

SETTINGS = "bands:\n  - name: band\n    segments: {stride_rows: 128}\n"

_READ = """
import sys
from zoneinfo import ZoneInfo
from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.replay import open_recording, replay_sources
recording = open_recording(sys.argv[1], time_zone=ZoneInfo("UTC"))
rows = sum(isinstance(item, PsdFrame) for item in replay_sources([recording]))
print(rows, recording.bins)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--agent", action="store_true")
    options = parser.parse_args()
    unknown = set(options.formats) - set(FORMATS)
    if unknown:
        parser.error(f"no format {', '.join(sorted(unknown))}; limit: {', '.join(FORMATS)}")
    total = int(options.gigabytes * 1e9)
    if shutil.disk_usage(options.dir).free < 1.5 * total:
        parser.error(f"--dir {options.dir}: less than {1.5 * options.gigabytes:g} GB free")
    print("| format | bytes | measure | rows | bins | rows/s | MB/s | peak MB |\n|" + "---|" * 8, flush=True)
    for name in options.formats or FORMATS:
        with tempfile.TemporaryDirectory(dir=options.dir) as folder:
            _measure(name, total, Path(folder), options.agent)


def _measure(name: str, total: int, folder: Path, agent: bool) -> None:
    file_name, sidecar, write = FORMATS[name]
    path = folder / file_name
    write(path, total)
    size = sum(each.stat().st_size for each in folder.iterdir())
    if sidecar is not None:
        (folder / f"{file_name}.yaml").write_text(sidecar)
    seconds, peak_mb, said = _child([sys.executable, "-c", _READ, str(path)], folder)
    rows, bins = (int(word) for word in said.split()[-2:])
    _tell(name, size, "reading", rows, bins, seconds, peak_mb)
    if agent:
        (folder / "settings.yaml").write_text(SETTINGS)
        command = [sys.executable, "-m", "bandwatch", "replay", str(path), "--speed", "max"]
        seconds, peak_mb, _ = _child([*command, "-c", str(folder / "settings.yaml")], folder)
        _tell(name, size, "agent", rows, bins, seconds, peak_mb)


def _child(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Seconds, peak resident memory in MB, and what it said."""
    begun = time.perf_counter()
    environment = os.environ | {"BANDWATCH__STORE__DIRECTORY": str(folder / "store")}
    with (folder / "said").open("w+") as said:
        child = subprocess.Popen(command, stdout=said, env=environment)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)}: exit code {child.returncode}")
        said.seek(0)
        return time.perf_counter() - begun, used.ru_maxrss / 1024, said.read()


def _tell(name: str, size: int, measure: str, rows: int, bins: int, seconds: float, peak_mb: float) -> None:
    figures = f"{rows} | {bins} | {rows / seconds:.0f} | {size / seconds / 1e6:.0f} | {peak_mb:.0f}"
    print(f"| {name} | {size} | {measure} | {figures} |", flush=True)


assert sys.platform == "linux", "ru_maxrss is in KiB on Linux alone"

if __name__ == "__main__":
    main()
