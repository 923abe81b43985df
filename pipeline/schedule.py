"""What a seeded scene transmits, chunk by chunk: the same for its power spectra and for its samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .arrivals import DAY_SECONDS, Stretch
from .errors import BadInput
from .frames import NS_PER_S
from .patches import Emission, Transmission
from .scene import Scene

CHUNK_ROWS = 256


class Schedule:
    """The transmissions of a scene that starts at `start_ns`, for chunks of 256 rows.

    Every chunk's come from generators seeded by (seed, chunk, emitter): chunks may be asked for in any order
    and again. Raises BadInput where the seed is negative.
    """

    def __init__(self, seed: int, scene: Scene, start_ns: int) -> None:
        if seed < 0:
            raise BadInput(f"simulator: seed is {seed}, it must be at least 0")
        self.scene = scene
        self.start_ns = start_ns
        self._seed = seed

    def borders(self, chunk: int) -> tuple[float, float]:
        """Where a chunk begins and ends, in seconds from the first row."""
        row_seconds = self.scene.raster.row_seconds
        return chunk * CHUNK_ROWS * row_seconds, (chunk + 1) * CHUNK_ROWS * row_seconds

    def transmissions(self, chunk: int) -> list[Transmission]:
        """What starts within a chunk, emitter by emitter; hops of a message may begin later."""
        from_seconds, to_seconds = self.borders(chunk)
        since_midnight = self.start_ns / NS_PER_S % DAY_SECONDS + from_seconds
        stretch = Stretch(from_seconds, to_seconds, since_midnight % DAY_SECONDS)
        found: list[Transmission] = []
        for number, emitter in enumerate(self.scene.emitters, start=1):
            random = self.random(chunk, number)
            sent = [
                each
                for start in emitter.arrivals.starts(stretch, random)
                for each in emitter.transmit(start, random)
            ]
            found += [replace(each, origin=(chunk, number, n)) for n, each in enumerate(sent)]
        return found

    def emissions(self, rows: int) -> list[Emission]:
        """The truth about all that begins within the first `rows` rows, by start."""
        chunks = range(-(-rows // CHUNK_ROWS))
        found = [each.emission(self.start_ns) for chunk in chunks for each in self.transmissions(chunk)]
        end_ns = self.start_ns + rows * self.scene.duration_ns
        return sorted((each for each in found if each.start_ns < end_ns), key=lambda each: each.start_ns)

    def random(self, *key: int) -> np.random.Generator:
        """The generator of a key: (chunk, emitter); (chunk, 0) for noise of rows; longer ones for samples."""
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(self._seed, spawn_key=key)))
