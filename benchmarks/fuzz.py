"""Coverage-guided fuzzing of every reader and of the wire decoder, by atheris and libFuzzer.

    .venv/bin/python benchmarks/fuzz.py TARGET [--seconds 600]
    .venv/bin/python benchmarks/fuzz.py --all [--seconds 600] [--jobs 2]

Each input becomes a file in /dev/shm, is opened and read to its end. Nothing but `BadInput` of one line may
come of it, within 10 s and 1 GiB. What is found is kept in --findings, one of each kind; inputs that reach
new code are minimised into tests/pipeline/corpus, which a test runs through the same targets.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NAMES = (
    "npy", "npz", "hdf5", "csv", "sidecar", "wire", "rtl_power", "soapy_power_csv", "soapy_power_binary",
    "hackrf_csv", "hackrf_binary", "es_sensor", "nist", "sigmf", "raw", "raw_zst", "wav", "mat5", "mat73",
    "npz_frames", "parquet", "parquet_tables",
)  # fmt: skip
CORPUS = Path(__file__).resolve().parents[1] / "tests" / "pipeline" / "corpus"
LARGEST_INPUT_BYTES = 16 * 1024
CORPUS_BYTES = 70 * 1024
LIBFUZZER = [
    "-timeout=10", "-rss_limit_mb=1024", f"-max_len={LARGEST_INPUT_BYTES}", "-print_final_stats=1",
    "-len_control=20",
]  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="*", choices=NAMES)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "bandwatch-fuzz")
    options = parser.parse_args()
    names = NAMES if options.all else options.target
    print(
        "| target | seconds | executions | coverage | peak MB | kept | findings |\n|" + "---|" * 7,
        flush=True,
    )
    with ThreadPoolExecutor(options.jobs) as pool:
        for line in pool.map(lambda name: _fuzz(name, options.seconds, options.findings / name), names):
            print(line, flush=True)


def _fuzz(name: str, seconds: int, findings: Path) -> str:
    """Fuzz one target in child processes, a new one after each crash; the line of the table."""
    findings.mkdir(parents=True, exist_ok=True)
    corpus = str(CORPUS / name)
    Path(corpus).mkdir(parents=True, exist_ok=True)
    executions, coverage, peak_mb = 0, 0, 0
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix=f"bandwatch-{name}-") as scratch:
        grown, merged = (Path(scratch) / each for each in ("grown", "merged"))
        for each in (grown, merged):
            each.mkdir()
        until = time.monotonic() + seconds
        while (left := int(until - time.monotonic())) > 0:
            log = _run(name, findings, Path(scratch), [f"-max_total_time={left}", str(grown), corpus])
            executions += int((re.findall(r"number_of_executed_units: (\d+)", log) or ["0"])[-1])
            coverage = max(coverage, *(int(each) for each in re.findall(r"cov: (\d+)", log)), 0)
            peak_mb = max(peak_mb, *(int(each) for each in re.findall(r"peak_rss_mb: +(\d+)", log)), 0)
            if "DONE" not in log.splitlines()[-8:] and "Done " not in log:
                (findings / f"log-{time.time_ns()}.txt").write_text(log[-20_000:])
                time.sleep(1)
        _run(name, findings, Path(scratch), ["-merge=1", str(merged), corpus, str(grown)])
        count = _keep(name, merged)
    found = len([each for each in findings.iterdir() if not each.name.startswith(("log-", "told-"))])
    return f"| {name} | {seconds} | {executions} | {coverage} | {peak_mb} | {count} | {found} |"


def _keep(name: str, merged: Path) -> int:
    """The smallest inputs that together reach what all of them reach, up to the corpus's size."""
    sized = sorted((each.stat().st_size, each) for each in merged.iterdir())
    if not sized:
        return 0
    folder = CORPUS / name
    seeds = {each.name for each in folder.glob("seed-*")} if folder.is_dir() else set()
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.name not in seeds:
            each.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    held = sum((folder / seed).stat().st_size for seed in seeds)
    count = len(seeds)
    for size, each in sized:
        if held + size > CORPUS_BYTES:
            break
        shutil.copyfile(each, folder / hashlib.sha256(each.read_bytes()).hexdigest()[:16])
        held, count = held + size, count + 1
    return count


def _run(name: str, findings: Path, scratch: Path, arguments: list[str]) -> str:
    # Merging starts the program anew by its first argument alone, so there is one that knows the rest.
    program = scratch / "child"
    child = [sys.executable, __file__, "--child", name, str(findings), str(program)]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(child)} "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [program, *LIBFUZZER, f"-artifact_prefix={findings}/", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, errors="replace",
        check=False,
    )  # fmt: skip
    return done.stderr + done.stdout


def _child(name: str, findings: Path, arguments: list[str]) -> None:
    """`arguments` are libFuzzer's, its own name first."""
    import atheris

    with atheris.instrument_imports(include=["bandwatch.pipeline", "numpy.lib._format_impl"]):
        from fuzz_targets import CORPUS as FOLDER
        from fuzz_targets import TARGETS
    target = TARGETS[name]
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        if not (FOLDER / name / f"seed-{number}").exists():
            (FOLDER / name / f"seed-{number}").write_bytes(seed)
    # libFuzzer ends the process without leaving any block, so the folder is the parent's to delete.
    folder = Path(arguments[0]).parent / f"files-{os.getpid()}"
    folder.mkdir()

    def one_input(data: bytes) -> None:
        try:
            target.run(data, folder)
        except Exception as error:  # noqa: BLE001  # kept and told, so that one finding hides no other
            _keep_finding(findings, data, error)

    atheris.Setup(arguments, one_input)
    atheris.Fuzz()


def _keep_finding(findings: Path, data: bytes, error: Exception) -> None:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    kind = f"{type(error).__name__}-{Path(frame.filename).stem}-{frame.lineno}"
    if not (findings / kind).exists():
        (findings / kind).write_bytes(data)
        (findings / f"told-{kind}.txt").write_text("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    main()
