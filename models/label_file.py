"""Labels that people gave recordings or stretches: CSV of `path,label` or `path,start,end,label`."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S, Window
from ..pipeline.recording import Recording
from ..pipeline.sidecar import instant_ns
from .window_truth import Truth

HEADERS = (["path", "label"], ["path", "start", "end", "label"])
LONGEST_LABEL = 200


@dataclass(frozen=True, slots=True)
class LabelLine:
    """One line: `start` and `end` as they stand there, None where the label is the whole recording's."""

    number: int
    path: str
    start: str | None
    end: str | None
    label: str


@dataclass(frozen=True, slots=True)
class RecordingLabels:
    """The labels of one recording: (start_ns, end_ns, label), UTC, half-open."""

    stretches: tuple[tuple[int, int, str], ...]

    def truth_of(self, window: Window) -> Truth | None:
        """The labels that a window overlaps, the one it overlaps longest first; None where there are none."""
        overlap_ns: dict[str, int] = {}
        for start_ns, end_ns, label in self.stretches:
            shared_ns = min(end_ns, window.end_ns) - max(start_ns, window.start_ns)
            if shared_ns > 0:
                overlap_ns[label] = overlap_ns.get(label, 0) + shared_ns
        if not overlap_ns:
            return None
        # Of equals the first by name, so that the order of lines does not matter.
        main = min(overlap_ns, key=lambda label: (-overlap_ns[label], label))
        return Truth(frozenset(overlap_ns), main)


class LabelFile:
    """The lines of a label file; `labels_of` finds each recording's."""

    def __init__(self, path: Path, lines: Sequence[LabelLine]) -> None:
        self.path = path
        self.lines = tuple(lines)

    @classmethod
    def read(cls, path: Path) -> LabelFile:
        """Read lines of two columns or of four; a first line that names them is passed over.

        Raises BadInput, naming the line, for another number of columns, an empty path or label, a label over
        200 characters, and for a file that cannot be read or holds no labels.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise BadInput(f"--labels {path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise BadInput(f"--labels {path}: byte {error.start} is not UTF-8") from None
        lines: list[LabelLine] = []
        reader = csv.reader(text.splitlines(), strict=True)
        try:
            for cells in reader:
                line = [cell.strip() for cell in cells]
                is_header = reader.line_num == 1 and [cell.lower() for cell in line] in HEADERS
                if any(line) and not is_header:
                    lines.append(_line(f"--labels {path}: line {reader.line_num}", reader.line_num, line))
        except csv.Error as error:
            raise BadInput(f"--labels {path}: line {reader.line_num}: {error}") from None
        if not lines:
            raise BadInput(f"--labels {path}: no labels; limit: at least 1 line of path,label")
        return cls(path, lines)

    def labels_of(self, recordings: Sequence[Recording]) -> tuple[list[RecordingLabels], int]:
        """Each recording's labels, and how many lines name none of the recordings.

        A line's path is a recording's if it is the same file, seen from here or from the label file's folder;
        where it is no such file, if the recording's path ends in it. `start` and `end` are UTC, or seconds
        from the recording's first row.

        Raises BadInput, naming the line, where a path ends more than one recording's, a stretch does not end
        after it starts, or a recording has two labels for its whole; and where no line names any.
        """
        files = sorted({recording.path for recording in recordings})
        found: dict[Path, list[LabelLine]] = {}
        for line in self.lines:
            file = self._file(line, files)
            if file is not None:
                found.setdefault(file, []).append(line)
        if not found:
            raise BadInput(
                f"--labels {self.path}: none of its {len(self.lines)} lines names a recording of --data: "
                f"the first is '{self.lines[0].path}'"
            )
        labels = [self._labels(recording, found.get(recording.path, [])) for recording in recordings]
        return labels, len(self.lines) - sum(map(len, found.values()))

    def _file(self, line: LabelLine, files: Sequence[Path]) -> Path | None:
        same = {Path(line.path).resolve(), (self.path.parent / line.path).resolve()}
        for file in files:
            if file.resolve() in same:
                return file
        parts = PurePath(line.path).parts
        ending = [file for file in files if file.resolve().parts[-len(parts) :] == parts]
        if len(ending) > 1:
            raise BadInput(
                f"{self._at(line)}: '{line.path}' may be {ending[0]} or {ending[1]}; give more of the path"
            )
        return ending[0] if ending else None

    def _labels(self, recording: Recording, lines: Sequence[LabelLine]) -> RecordingLabels:
        whole = [line for line in lines if line.start is None]
        if len({line.label for line in whole}) > 1:
            raise BadInput(
                f"{self._at(whole[-1])}: '{whole[-1].path}' is '{whole[-1].label}' here "
                f"and '{whole[0].label}' in line {whole[0].number}"
            )
        stretches: list[tuple[int, int, str]] = []
        for line in lines:
            if line.start is None or line.end is None:
                start_ns, end_ns = recording.start_ns, recording.end_ns
            else:
                start_ns = self._moment_ns(line, "start", line.start, recording)
                end_ns = self._moment_ns(line, "end", line.end, recording)
            if end_ns <= start_ns:
                raise BadInput(f"{self._at(line)}: end is {line.end}; limit: after the start, {line.start}")
            stretches.append((start_ns, end_ns, line.label))
        return RecordingLabels(tuple(stretches))

    def _moment_ns(self, line: LabelLine, column: str, text: str, recording: Recording) -> int:
        try:
            seconds = float(text)
        except ValueError:
            return instant_ns(f"{self._at(line)}: {column}", text)
        if not (math.isfinite(seconds) and abs(seconds) <= 1e10):
            raise BadInput(
                f"{self._at(line)}: {column} is {text}; limit: a UTC time, or seconds from the start"
            )
        return recording.start_ns + round(seconds * NS_PER_S)

    def _at(self, line: LabelLine) -> str:
        return f"--labels {self.path}: line {line.number}"


def _line(where: str, number: int, cells: list[str]) -> LabelLine:
    match cells:
        case [path, label]:
            start = end = None
        case [path, start, end, label]:
            if not start or not end:
                raise BadInput(f"{where}: no {'start' if not start else 'end'}; limit: path,start,end,label")
        case _:
            raise BadInput(f"{where}: {len(cells)} columns; limit: path,label or path,start,end,label")
    if not path or not label:
        raise BadInput(f"{where}: no {'path' if not path else 'label'}")
    if len(label) > LONGEST_LABEL:
        raise BadInput(f"{where}: a label of {len(label)} characters; limit: {LONGEST_LABEL}")
    return LabelLine(number, path, start, end, label)
