"""Nothing is lost unaccounted: a live agent under random events, kills and hours of rows.

    python benchmarks/soak.py events [--events 200] [--seed 1]
    python benchmarks/soak.py kills [--kills 200] [--seed 1]
    python benchmarks/soak.py rss [--hours 1] [--rows-per-second 50]
    python benchmarks/soak.py replay [--hours 24]

Each prints its figures as Markdown and what did not hold, and ends with 1 where anything did not.
`docs/soak.md` says what is proven and how. `--folder` keeps store, truth and logs.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import bandwatch
from bandwatch.benchmarks import soak_events, soak_kills, soak_rss
from bandwatch.benchmarks.soak_books import Books
from bandwatch.benchmarks.soak_rig import Rig
from bandwatch.pipeline.frames import NS_PER_S

CALM_EVERY = 10
COMPARE_EVERY = 50
MOST_FAULTS_SHOWN = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("events", "kills", "rss", "replay"))
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=None, help="1 of rss, 24 of replay")
    parser.add_argument("--rows-per-second", type=float, default=50.0)
    parser.add_argument("--stop-seconds", type=float, default=10.0, help="how long SIGSTOP lasts")
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    print(
        f"# bandwatch {bandwatch.__version__}, Python {platform.python_version()}, soak {options.what}",
        flush=True,
    )
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bandwatch-soak-") as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        match options.what:
            case "events":
                held = _events(folder, options.events, options.seed, options.stop_seconds)
            case "kills":
                held = _kills(folder, options.kills, options.seed)
            case "rss":
                held = soak_rss.report(soak_rss.live(folder, options.hours or 1, options.rows_per_second))
            case _:
                held = soak_rss.report(soak_rss.replayed(folder, options.hours or 24))
    print(f"\n{time.monotonic() - begun:.0f} s: {'all held' if held else 'NOT ALL HELD'}")
    sys.exit(0 if held else 1)


def _events(folder: Path, count: int, seed: int, stop_seconds: float) -> bool:
    with Rig(folder, soak_events.PLANS, settings=soak_events.SETTINGS) as rig:
        events = soak_events.Events(rig, seed, stop_seconds=stop_seconds, pause_seconds=2.0)
        events.begin()
        kinds = events.shuffled(count)
        for first in range(0, count, CALM_EVERY):
            events.run(kinds[first : first + CALM_EVERY])
            events.calm()
            print(
                f"# {sum(events.counts.values())} events, {len(events.books.faults)} faults", file=sys.stderr
            )
        books = events.finish()
        print(f"events, seed {seed}: {dict(events.counts)}; {events.calm_checks} times /metrics = store\n")
        print(_table(books, Counter(stream.band for stream in rig.truth.streams())))
        return _all_held([*books.faults, *rig.damage])


def _table(books: Books, published: Counter[str]) -> str:
    """A line a band; `published` is how many streams each had. Some lived while no agent did."""
    lines = [
        "| band | streams heard | published | recorded | reported lost | unrecorded | unheard |",
        "|---|---|---|---|---|---|---|",
    ]
    for band in sorted({account.stream.band for account in books.accounts}):
        accounts = [account for account in books.accounts if account.stream.band == band]
        sums: Counter[str] = Counter()
        for account in accounts:
            sums["published"] += account.published
            sums["rows"] += account.rows
            sums["lost"] += account.lost_rows
            sums["unrecorded"] += account.unrecorded
            sums["unheard"] += books.unheard(account)
        cells = [sums[name] for name in ("published", "rows", "lost", "unrecorded", "unheard")]
        figures = " | ".join(f"{cell:,}" for cell in cells)
        lines.append(f"| {band} | {len(accounts)} of {published[band]} | {figures} |")
    return "\n".join(lines)


def _kills(folder: Path, count: int, seed: int) -> bool:
    start_ns = time.time_ns() - round(soak_kills.BEGUN_SECONDS * NS_PER_S)
    settings, bands = soak_kills.SETTINGS, soak_kills.BAND_SETTINGS
    with Rig(folder, soak_kills.PLANS, settings=settings, band_settings=bands, start_ns=start_ns) as rig:
        run = soak_kills.Kills(rig, seed, longest_life_seconds=12.0)
        run.begin()
        for number in range(1, count + 1):
            run.kill(quiet=number % soak_kills.QUIET_EVERY == 0)
            if number % COMPARE_EVERY == 0 or number == count:
                rerun = run.compare()
                print(f"# {number} kills, {len(rerun.told)} verdicts and fits, {run.faults}", file=sys.stderr)
        missing = [kill.missing_seconds for kill in run.kills if kill.missing_seconds is not None]
        ready = [kill.ready_seconds for kill in run.kills if kill.ready_seconds is not None]
        print(f"kills, seed {seed}: {count}, {len(missing)} of them after rows had been recorded\n")
        print(f"- the first row missing had been heard for {_spread(missing)}")
        print(f"- at most {max(kill.missing_rows for kill in run.kills)} rows of a band were missing")
        rows = max(kill.ready_rows or 0 for kill in run.kills)
        print(f"- from start to /readyz: {_spread(ready)}, after at most {rows} rows of a band")
        print(f"- {rerun.rows:,} rows sent down uninterrupted routes: {len(rerun.found)} verdicts and fits")
        print(f"- {len(rig.torn)} files ended in the middle of a batch")
        late = [f"{seconds:.2f} s missing" for seconds in missing if seconds > soak_kills.FLUSH_SECONDS]
        return _all_held([*run.books.close().faults, *run.faults, *rig.damage, *late])


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s (at most {max(seconds):.2f} s)"


def _all_held(faults: list[str]) -> bool:
    for fault in faults[:MOST_FAULTS_SHOWN]:
        print(f"NOT HELD: {fault}")
    if len(faults) > MOST_FAULTS_SHOWN:
        print(f"and {len(faults) - MOST_FAULTS_SHOWN} more")
    return not faults


if __name__ == "__main__":
    main()
