"""A recording in another format, by the suffix of the file to be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import BadInput
from .frames import Gap, PsdFrame
from .parquet_writer import write_parquet
from .readers.sigmf_meta import DATA_SUFFIX, META_SUFFIX, pair_of
from .recording import Recording
from .sigmf_writer import write_sigmf

PARQUET_SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written: `count` of `what` (rows or samples), the files, their bytes and those read."""

    paths: tuple[Path, ...]
    what: str
    count: int
    bytes: int
    source_bytes: int


def outputs_of(out: Path) -> tuple[Path, ...]:
    """The files that a name asks for; `BadInput` where its suffix is of no format that can be written."""
    name = out.name.lower()
    if name.endswith(PARQUET_SUFFIX):
        return (out,)
    if name.endswith((META_SUFFIX, DATA_SUFFIX)):
        return pair_of(out)
    if not out.suffix and out.name:
        return pair_of(out.with_name(out.name + META_SUFFIX))
    raise BadInput(
        f"{out}: cannot be written as '{out.suffix}'; limit: {PARQUET_SUFFIX}, {META_SUFFIX}, {DATA_SUFFIX}"
    )


def check_outputs(source: Path, out: Path, *, force: bool) -> None:
    """`BadInput` where a file to be written is the source, is there already, or has no folder."""
    ours = {each.resolve() for each in _files_of(source)}
    for path in outputs_of(out):
        if path.resolve() in ours or any(
            path.exists() and path.samefile(each) for each in ours if each.exists()
        ):
            raise BadInput(f"{path}: is the recording to be read; limit: another name")
        if path.is_dir():
            raise BadInput(f"{path}: is a folder; limit: a file")
        if not path.absolute().parent.is_dir():
            raise BadInput(f"{path}: the folder {path.parent} does not exist")
        if path.exists() and not force:
            raise BadInput(f"{path}: exists already; --force replaces it")


def convert(
    recording: Recording,
    out: Path,
    *,
    force: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> Converted:
    """Write a recording anew: rows as they would be replayed (`.parquet`), or IQ samples (SigMF).

    Bounded memory whatever the size. `on_progress` hears what part is done, 0 to 1. Nothing is left of a
    file that could not be written whole. `BadInput` where `check_outputs` says so, and for rows as SigMF.
    """
    check_outputs(recording.path, out, force=force)
    paths = outputs_of(out)
    told = on_progress or (lambda _: None)
    if len(paths) == 1:
        count, what = write_parquet(_watched(recording, told), out), "rows"
    elif recording.iq is None:
        raise BadInput(
            f"{out}: SigMF holds IQ samples, {recording.path} is {recording.format} rows of power;"
            f" limit: {PARQUET_SUFFIX}"
        )
    else:
        facts, done = recording.iq.facts, 0

        def heard(samples: int) -> None:
            nonlocal done
            done += samples
            told(done / facts.samples)

        write_sigmf(recording.iq, paths[0], node=recording.node, band=recording.band, on_samples=heard)
        count, what = facts.samples, "samples"
    return Converted(paths, what, count, _bytes_of(paths), _bytes_of(_files_of(recording.path)))


def _files_of(source: Path) -> tuple[Path, ...]:
    return pair_of(source) if source.name.lower().endswith((META_SUFFIX, DATA_SUFFIX)) else (source,)


def _bytes_of(paths: tuple[Path, ...]) -> int:
    return sum(each.stat().st_size for each in paths if each.exists())


def _watched(recording: Recording, told: Callable[[float], None]) -> Iterator[PsdFrame | Gap]:
    for count, item in enumerate(recording, start=1):
        if count % 1000 == 0:
            told(min(1.0, count / recording.rows))
        yield item
