"""A seeded band that never ends, with the truth about what was sent in it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator

import numpy as np

from .averaged_spectra import AveragedSpectra
from .errors import BadInput
from .frames import NS_PER_S, Float32, PsdFrame, read_only
from .patches import Emission, Patch, Transmission, paint
from .scene import Scene
from .schedule import CHUNK_ROWS, Schedule
from .varied_scene import varied_scene

START_2026_NS = 1_767_225_600 * NS_PER_S


class Simulator:
    """An endless band of known truth: iterate over `frames()`, or take `block`s of rows.

    The same seed, scene and start give the same rows, to the bit, whatever is asked for at once: rows are
    made in chunks of 256, each from generators seeded by (seed, chunk, emitter). Received power is the noise
    floor plus what is sent, through the receiver's filter, times a chi-square average of as many spectra as
    the scene says, and the receiver's drifting gain.

    Raises BadInput where the seed is negative.
    """

    def __init__(
        self,
        seed: int,
        *,
        node: str = "simulated",
        band: str = "srd-868",
        start_ns: int = START_2026_NS,
        scene: Scene | None = None,
        stream: int = 1,
        truth_kept: int = 100_000,
    ) -> None:
        self.scene = scene or Scene()
        self.node, self.band, self.stream, self.start_ns = node, band, stream, start_ns
        self._truth_kept = truth_kept
        self._schedule = Schedule(seed, self.scene, start_ns)
        self._drift = self.scene.drift(seed, start_ns)
        self._raster = self.scene.raster
        self._filter, self._dc_line = _receiver(self.scene)
        self._spectra = AveragedSpectra(self.scene.averaged_spectra, self.scene.bin_correlation)
        self._rows_given = 0
        self._chunks_made = 0
        self._chunk = np.empty((0, self.scene.bins), np.float32)
        self._sending: list[Transmission] = []
        self._planned: list[Emission] = []

    @classmethod
    def varied(
        cls, seed: int, *, node: str = "simulated", band: str = "varied", stream: int = 1
    ) -> Simulator:
        """A band whose emitters, noise, geometry and receiver are drawn from the seed, too."""
        if seed < 0:
            raise BadInput(f"simulator: seed is {seed}, it must be at least 0")
        return cls(seed, node=node, band=band, scene=varied_scene(seed), stream=stream)

    @property
    def time_ns(self) -> int:
        """UTC at the start of the next row."""
        return self.start_ns + self._rows_given * self.scene.duration_ns

    @property
    def truth(self) -> list[Emission]:
        """What began before the next row, by start. As the band never ends, only about the last `truth_kept`
        are remembered; who needs all of it drains it every few chunks."""
        return self._planned[: self._begun()]

    def drain_truth(self) -> list[Emission]:
        """The same, and forget it: for those who write all of it down."""
        begun = self._begun()
        drained, self._planned = self._planned[:begun], self._planned[begun:]
        return drained

    def block(self, rows: int) -> Float32:
        """The next rows, float32 [rows, bins] in dBFS/bin, oldest first."""
        out = np.empty((rows, self.scene.bins), np.float32)
        done = 0
        while done < rows:
            chunk = self._unread()[: rows - done]
            out[done : done + len(chunk)] = chunk
            done += len(chunk)
            self._rows_given += len(chunk)
        return out

    def frames(self) -> Iterator[PsdFrame]:
        """The next rows one by one, endlessly; `seq` is the row's number since the start."""
        while True:
            power_db = read_only(self._unread()[0].copy())
            seq, time_ns = self._rows_given, self.time_ns
            self._rows_given += 1
            yield PsdFrame(
                node=self.node,
                band=self.band,
                stream=self.stream,
                seq=seq,
                time_ns=time_ns,
                duration_ns=self.scene.duration_ns,
                center_hz=self.scene.center_hz,
                bin_hz=self.scene.bin_hz,
                power_db=power_db,
                unit="dBFS/bin",
            )

    def __iter__(self) -> Iterator[PsdFrame]:
        return self.frames()

    def _begun(self) -> int:
        return bisect_right(self._planned, self.time_ns - 1, key=lambda emission: emission.start_ns)

    def _unread(self) -> Float32:
        """The rows of the current chunk that nobody took; never none."""
        if self._rows_given == self._chunks_made * CHUNK_ROWS:
            self._chunk = self._make_chunk(self._chunks_made)
            self._chunks_made += 1
        return self._chunk[self._rows_given - (self._chunks_made - 1) * CHUNK_ROWS :]

    def _make_chunk(self, chunk: int) -> Float32:
        first_row = chunk * CHUNK_ROWS
        self._plan(chunk)

        power = np.ones((CHUNK_ROWS, self.scene.bins), np.float32)
        for transmission in self._sending:
            for patch in transmission.patches:
                paint(power, patch, self._raster, first_row)
        chunk_end = self._schedule.borders(chunk)[1]
        self._sending = [sent for sent in self._sending if sent.end_seconds > chunk_end]

        power *= self._filter
        power += self._dc_line
        power *= self._spectra.draw((CHUNK_ROWS, self.scene.bins), self._schedule.random(chunk, 0))
        # A chi-square of few degrees can round to zero, which has no logarithm.
        np.maximum(power, np.finfo(np.float32).tiny, out=power)
        np.log10(power, out=power)
        power *= np.float32(10)
        power += np.float32(self.scene.noise_floor_db)
        if self._drift is not None:
            gain_db = self._drift.rows_db(first_row, CHUNK_ROWS, self._raster.row_seconds)
            power += gain_db[:, None].astype(np.float32)
        if self.scene.resolution_db:
            step = np.float32(self.scene.resolution_db)
            np.round(power / step, out=power)
            power *= step
        return power

    def _plan(self, chunk: int) -> None:
        """Decide what starts within a chunk."""
        sent = self._schedule.transmissions(chunk)
        self._sending += sent
        self._planned += [transmission.emission(self.start_ns) for transmission in sent]
        self._planned.sort(key=lambda emission: emission.start_ns)
        del self._planned[: max(0, self._begun() - self._truth_kept)]


def _receiver(scene: Scene) -> tuple[Float32, Float32]:
    """What the receiver multiplies and adds: float32 [bins] each, linear, 1.0 the noise floor."""
    line = np.zeros((1, scene.bins), np.float32)
    if scene.dc_line_db > 0:
        level_db = 10 * math.log10(10 ** (scene.dc_line_db / 10) - 1)
        raster = scene.raster
        paint(line, Patch(0.0, raster.row_seconds, scene.center_hz, 0.0, 0.0, level_db), raster, 0)
    return (10 ** (scene.receiver_db() / 10)).astype(np.float32), line[0]
