"""Memory, file descriptors and threads of a process over hours, scraped as Prometheus would."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 1024 * 1024
SAMPLE_SECONDS = 10.0
SCRAPE_SECONDS = 15.0
GROWTH_LIMIT_BYTES = 50_000_000
WARM_UP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """`rss_bytes` is what is resident; `anonymous_bytes` of it belongs to no file."""

    seconds: float
    rss_bytes: int
    anonymous_bytes: int
    descriptors: int
    threads: int
    rows: float


class Samples:
    """Of one process; `rows` asks for the count of rows, by scraping /metrics."""

    def __init__(self, pid: int, rows: Callable[[], float]) -> None:
        self._proc = Path("/proc") / str(pid)
        self._rows = rows
        self._begun = time.monotonic()
        self._next = self._scrape_at = self._begun
        self._last_rows = 0.0
        self.samples: list[Sample] = []

    def take_if_due(self) -> Sample | None:
        """None where it is too early, or the process has ended."""
        now = time.monotonic()
        if now >= self._scrape_at:
            self._scrape_at += SCRAPE_SECONDS
            try:
                self._last_rows = self._rows()
            except OSError:
                return None
        if now < self._next:
            return None
        self._next += SAMPLE_SECONDS
        try:
            sample = self._sample(now - self._begun)
        except (OSError, KeyError):
            return None
        self.samples.append(sample)
        return sample

    def _sample(self, seconds: float) -> Sample:
        lines = (self._proc / "status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return Sample(
            seconds=seconds,
            rss_bytes=int(status["VmRSS"].split()[0]) * 1024,
            anonymous_bytes=int(status["RssAnon"].split()[0]) * 1024,
            descriptors=len(list((self._proc / "fd").iterdir())),
            threads=int(status["Threads"]),
            rows=self._last_rows,
        )

    def table(self, every: int) -> str:
        """Each `every`th sample, the first and the last, as Markdown."""
        shown = [*self.samples[:-1:every], self.samples[-1]]
        lines = [
            "| minute | rows | RSS, MiB | of it anonymous | descriptors | threads |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {each.seconds / 60:.1f} | {each.rows:,.0f} | {each.rss_bytes / MIB:.1f} | "
            f"{each.anonymous_bytes / MIB:.1f} | {each.descriptors} | {each.threads} |"
            for each in shown
        ]
        return "\n".join(lines)

    def verdict(self) -> tuple[bool, str]:
        """Whether memory grew less than the limit after the warm-up, and descriptors and threads not at all.

        The warm-up is ten minutes, or a sixth of a shorter run. Growth is from the median of as many samples
        after it as make a minute to the largest that followed; descriptors and threads may go up for a
        scrape or a compaction: what counts is the median of the last quarter against that of the first.
        """
        warm_up = min(WARM_UP_SECONDS, self.samples[-1].seconds / 6)
        warm = [each for each in self.samples if each.seconds >= warm_up]
        begun = median(each.rss_bytes for each in warm[:6])
        growth = max(each.rss_bytes for each in warm) - begun
        at_end = median(each.rss_bytes for each in warm[-6:]) - begun
        quarter = max(1, len(warm) // 4)
        held = True
        words = [f"RSS after {warm_up / 60:.1f} minutes: {begun / MIB:.1f} MiB",
                 f"at most {growth / MIB:+.1f} MiB later, {at_end / MIB:+.1f} MiB at the end"]  # fmt: skip
        for what in ("descriptors", "threads"):
            first = median(getattr(each, what) for each in warm[:quarter])
            last = median(getattr(each, what) for each in warm[-quarter:])
            most = max(getattr(each, what) for each in warm)
            held = held and last <= first
            words.append(f"{what}: {first:g} in the first quarter, {last:g} in the last, at most {most}")
        held = held and growth < GROWTH_LIMIT_BYTES
        return held, "; ".join(words)
