"""How the emitters of a broad band are drawn: widths in bins and lengths in rows, as windows see them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .arrivals import Arrivals, Periodic, Poisson
from .broad_emitters import FrequencyHopping, Impulses, OfdmPackets, PulseTrains, TdmaSlots, WideChannel
from .emitters import Emitter, LoraBursts, OqpskExchanges
from .frames import NS_PER_S
from .line_emitters import AmVoice, Comb, DriftingCarrier, FmVoice, Sweeps
from .varied_scene import VariedDraw

_NARROW_TIMES = 3
"""How much likelier a kind is than one that fills all windows of a band at once, or nearly so."""

_STRONGEST_DB = 35.0


class BroadDraw(VariedDraw):
    """The draws of one band's emitters, in their order; what `varied` has is drawn as there, but busier."""

    def __init__(self, random: np.random.Generator) -> None:
        super().__init__(random)
        self._bins = int(random.choice((256, 256, 256, 512, 512, 1024, 1024, 2048)))
        self._rows_per_second = round(self._log(1.0, 10.0), 1)
        # What a row lasts, to the nanosecond, as the scene rounds it.
        self._row_seconds = round(NS_PER_S / self._rows_per_second) / NS_PER_S

    def emitters(self, count: int) -> tuple[Emitter, ...]:
        """So many, of random kinds."""
        filling: tuple[Callable[[], Emitter], ...] = (
            self._spread, self._oqpsk, self._broadcast, self._impulses,
        )  # fmt: skip
        narrow = (
            self._hops, self._lora, self._fsk, self._ook, self._carrier, self._interference, self._ofdm,
            self._frequency_hopping, self._sweep, self._pulse_train, self._fm_voice, self._am, self._tdma,
            self._comb, self._drifting_carrier,
        )  # fmt: skip
        makers = filling + _NARROW_TIMES * narrow
        return tuple(self._pick(makers)() for _ in range(count))

    def _power_db(self, least: float = 2.0, most: float = 30.0) -> tuple[float, float]:
        weakest, strongest = super()._power_db(least, most)
        return min(weakest, _STRONGEST_DB), min(strongest, _STRONGEST_DB)

    def _arrivals(self, burst_seconds: float, most_busy_share: float = 0.8) -> Arrivals:
        """Random or regular arrivals that keep the emitter busy for 0.5 % to 80 % of the time, rather more
        than less: half of them for more than 28 %."""
        busy_share = 0.005 * (most_busy_share / 0.005) ** math.cbrt(self._random.random())
        period = max(burst_seconds / busy_share, 1.5 * self._row_seconds)
        if self._random.random() < 0.5:
            return Periodic(period, period * self._random.uniform(0, 0.2), self._random.uniform(0, period))
        return Poisson(3600 / period, self._random.uniform(0, 0.4), self._random.uniform(0, 24))

    def _rows(self, least: float, most: float) -> float:
        """A length within so many rows, in seconds."""
        return self._log(least, most) * self._row_seconds

    def _count(self, least: float, most: float) -> int:
        return round(self._log(least, most))

    def _seen_db(self, row_share: float) -> tuple[float, float]:
        """Levels of what fills such a share of a row: they are seen as other emitters' are."""
        weakest, strongest = self._power_db(3, 25)
        return weakest - 10 * math.log10(row_share), strongest - 10 * math.log10(row_share)

    def _lora(self) -> LoraBursts:
        """As `varied`'s, but its symbols last no longer than a row and a half: others would be sweeps."""
        lora = super()._lora()
        factor = lora.spreading_factor[0]
        most = max(5, math.floor(math.log2(1.5 * self._row_seconds * lora.bandwidth_hz)))
        if factor <= most:
            return lora
        least_symbols, most_symbols = (symbols << (factor - most) for symbols in lora.symbols)
        return replace(lora, spreading_factor=(most, most), symbols=(least_symbols, most_symbols))

    def _oqpsk(self) -> Emitter:
        frame, pause = self._rows_seconds(0.01, 0.1), self._rows_seconds(0.005, 0.05)
        chip_hz = self._bins_hz(30, 800)
        frames = self._count(2, 6)
        return OqpskExchanges(
            self._arrivals(max(2 * frames * (frame[1] + pause[1]), self._row_seconds), 0.3),
            self._center(1.5 * chip_hz),
            chip_hz,
            frame,
            pause,
            (frames, 2 * frames),
            self._seen_db(0.2),
        )

    def _ofdm(self) -> Emitter:
        packet, answer, pause = self._rows_seconds(0.3, 60), self._rows_seconds(0.3, 4), self._rows(0.05, 3)
        width_hz = min(self._log(8, 400), 0.8 * self._bins) * self._bin_hz
        center_hz = self._center(width_hz)
        if self._random.random() < 0.3:
            period = max(packet[1] / self._log(0.01, 0.8), 2 * self._row_seconds)
            beacon = Periodic(period, 0.0, self._random.uniform(0, period))
            return OfdmPackets(
                beacon, center_hz, width_hz, packet, answer, (0.0, pause), (1, 1), 0.0, self._power_db(2, 27)
            )
        most = int(self._random.integers(2, 9))
        level, answer_db = self._power_db(2, 27), self._random.uniform(-12, 5)
        return OfdmPackets(
            self._arrivals(most / 2 * (packet[1] + answer[1])),
            center_hz,
            width_hz,
            packet,
            answer,
            (0.3 * pause, pause),
            (1, most),
            answer_db,
            level,
        )

    def _frequency_hopping(self) -> Emitter:
        hop_seconds = self._rows(0.33, 6)
        width_hz = self._bins_hz(1, 12)
        spacing_hz = width_hz * self._random.uniform(1.0, 2.5)
        channels = max(4, min(self._count(8, 80), int(0.9 * self._bins * self._bin_hz / spacing_hz)))
        hops = self._count(10, max(12, 200 * self._row_seconds / hop_seconds))
        return FrequencyHopping(
            self._arrivals(hops * hop_seconds),
            self._center(channels * spacing_hz) - (channels - 1) / 2 * spacing_hz,
            spacing_hz,
            channels,
            width_hz,
            hop_seconds,
            self._random.uniform(0.3, 0.98),
            (max(1, hops // 2), hops),
            self._random.uniform(0, 10),
            self._power_db(6),
        )

    def _sweep(self) -> Emitter:
        sweep_seconds = self._rows(2, 100)
        span_hz = min(self._log(20, 2000), 1.2 * self._bins) * self._bin_hz
        center_hz = self._center(span_hz)
        most = self._count(1, 60)
        return Sweeps(
            self._arrivals(most * sweep_seconds),
            center_hz - span_hz / 2,
            center_hz + span_hz / 2,
            min(self._log(0.5, 6) * self._bin_hz, span_hz / 4),
            sweep_seconds,
            float(self._random.choice((0.03, 0.5, 0.5, 1.0, 1.0, self._random.uniform(0.1, 0.9)))),
            ((most + 1) // 2, most),
            self._row_seconds,
            self._power_db(5),
        )

    def _pulse_train(self) -> Emitter:
        share = self._log(0.02, 0.9)
        period = max(self._rows(1.6, 40), 1.3 * share * self._row_seconds)
        width_hz = min(self._log(40, 3000), 2.0 * self._bins) * self._bin_hz
        most = self._count(4, 100)
        return PulseTrains(
            self._arrivals(most * period),
            self._center(width_hz),
            width_hz,
            share * self._row_seconds,
            period,
            ((most + 1) // 2, most),
            self._seen_db(share),
        )

    def _fm_voice(self) -> Emitter:
        talk = self._rows_seconds(8, 150)
        narrow_hz = self._bins_hz(1.5, 8)
        wide_hz = min(narrow_hz * self._random.uniform(2.5, 8), self._bins / 3 * self._bin_hz)
        return FmVoice(
            self._arrivals(talk[1]),
            self._center(wide_hz),
            (narrow_hz, wide_hz),
            talk,
            self._row_seconds * float(self._random.choice((1.0, 1.0, 2.0, 3.0))),
            self._power_db(6),
        )

    def _am(self) -> Emitter:
        on = self._rows_seconds(10, 600)
        offset_hz = self._bins_hz(4, 40)
        side_width_hz = offset_hz * self._random.uniform(0.5, 1.6)
        return AmVoice(
            self._arrivals(on[1]),
            self._center(2 * offset_hz + side_width_hz),
            self._bin_hz * self._random.uniform(0.1, 1.0),
            offset_hz,
            side_width_hz,
            on,
            self._row_seconds * float(self._random.choice((2.0, 3.0, 5.0))),
            self._random.uniform(-16, -5),
            self._power_db(12),
        )

    def _broadcast(self) -> Emitter:
        width_hz = min(self._log(20, 1500), 0.7 * self._bins) * self._bin_hz
        center_hz = self._center(width_hz)
        on_seconds = 256 * self._row_seconds
        level = self._power_db()[0]
        return WideChannel(
            Periodic(on_seconds),
            center_hz,
            width_hz,
            (on_seconds, on_seconds),
            4 * self._row_seconds,
            float(self._random.choice((0.0, self._random.uniform(1, 12)))),
            self._rows(60, 5000),
            (level, level),
        )

    def _tdma(self) -> Emitter:
        slots = int(self._random.choice((2, 2, 3, 4, 6, 8)))
        frame_seconds = self._rows(1, 4) * slots
        width_hz = self._bins_hz(2, 30)
        most = self._count(4, 150)
        return TdmaSlots(
            self._arrivals(most * frame_seconds),
            self._center(width_hz),
            width_hz,
            frame_seconds,
            slots,
            ((most + 1) // 2, most),
            self._random.uniform(0, 15),
            self._power_db(4),
        )

    def _comb(self) -> Emitter:
        on = self._rows_seconds(60, 4000)
        spacing_hz = self._bins_hz(6, 60)
        lines = min(self._count(4, 80), int(self._bins * self._bin_hz / spacing_hz))
        wander_hz = float(self._random.choice((0.0, self._bins_hz(0.2, 8))))
        return Comb(
            self._arrivals(on[1]),
            self._center(lines * spacing_hz) - (lines - 1) / 2 * spacing_hz,
            spacing_hz,
            lines,
            self._bin_hz * self._log(0.1, 2),
            wander_hz,
            self._rows(150, 4000),
            on,
            self._random.uniform(0, 12),
            self._power_db(4),
        )

    def _impulses(self) -> Emitter:
        share = self._log(0.01, 0.5)
        width_hz = 2.5 * self._bins * self._bin_hz
        most = int(self._random.choice((1, 1, 2, 5)))
        pause = self._rows(0.5, 6)
        period = most * (pause + self._row_seconds) / self._log(0.005, 0.3)
        return Impulses(
            Poisson(3600 / period),  # regular ones are a pulse train's
            self._center_hz + self._random.uniform(-0.2, 0.2) * width_hz,
            width_hz,
            share * self._row_seconds,
            (0.1 * pause, pause),
            (1, most),
            self._random.uniform(0, 8),
            self._seen_db(share),
        )

    def _drifting_carrier(self) -> Emitter:
        on = self._rows_seconds(40, 700)
        # At most a bin a row: what is faster is a sweep.
        drift_hz = min(self._log(3, 300), self._bins / 3, on[0] / self._row_seconds / 3) * self._bin_hz
        curve = float(self._random.choice((0.05, self._random.uniform(1.5, 6))))
        half_bins = max(1.0, 0.5 * on[0] / self._row_seconds / (drift_hz / self._bin_hz))
        return DriftingCarrier(
            self._arrivals(on[1]),
            self._center(2 * drift_hz),
            drift_hz,
            curve,
            self._bin_hz * self._log(0.1, 3),
            on,
            self._row_seconds * max(1, int(half_bins / max(1.0, curve))),
            self._power_db(4),
        )
