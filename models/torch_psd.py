"""IQ samples -> rows of power spectrum by torch: for a GPU; on a processor `PowerSpectrum` is faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..pipeline.frames import Float32
from ..pipeline.iq_samples import plain_samples
from ..pipeline.psd_exact import exact_power, wide_rows
from ..pipeline.psd_shape import Hold, PsdShape, decibels
from .engine import choose_device

_BLOCK_SAMPLES = 1 << 20  # that are weighted at a time: 8 MiB, and as much for their spectra


class TorchPowerSpectrum(PsdShape):
    """The rows of `PowerSpectrum`, within 1e-3 dB of it, made on `device`.

    `device` is `auto`, `cpu`, `cuda` or `cuda:<n>`, as `open_engine` takes it. Frames always go in blocks of
    one size, counted from the start of their row: libraries choose their algorithms by the batch, and the
    bits with them.

    Raises BadInput for a shape that cannot be, or a device that is not there.
    """

    def __init__(
        self,
        bins: int = 1024,
        overlap: float = 0.5,
        frames_per_row: int = 256,
        window: str = "hann",
        *,
        hold: Hold = "mean",
        device: str = "auto",
    ) -> None:
        super().__init__(bins, overlap, frames_per_row, window, hold)
        self.device = choose_device(device)

    def rows(self, iq: NDArray[Any]) -> Float32:
        """Whole rows of samples -> float32 [rows, bins] in dBFS/bin; samples as `PowerSpectrum` takes them.

        Samples after the last whole row are left out. Raises BadInput where `iq` is not one channel of
        complex samples.
        """
        samples = plain_samples(iq)
        weights = torch.from_numpy(self.weights(samples.full)).to(self.device)
        power = np.empty((self.rows_in(samples.numbers.shape[0] // 2), self.bins))
        with torch.inference_mode():
            for row in range(power.shape[0]):
                start = 2 * row * self.samples_per_row
                numbers = samples.numbers[start : start + 2 * self.samples_needed]
                power[row] = self._row(numbers, samples.zero, weights).cpu().numpy()
        for row in wide_rows(power, self):
            power[row] = exact_power(samples, int(row), self)
        return decibels(power).astype(np.float32)

    def _row(self, numbers: NDArray[Any], zero: float, weights: torch.Tensor) -> torch.Tensor:
        # Copied, as torch takes no array that it may not write to; integers travel as they are.
        on_device = torch.from_numpy(np.array(numbers)).to(self.device)
        frames = on_device.unfold(0, 2 * self.bins, 2 * self.hop)  # [frames, 2 bins], a view
        held = torch.zeros(self.bins, dtype=torch.float64, device=self.device)
        for block in frames.split(max(1, _BLOCK_SAMPLES // self.bins)):
            weighted = (block.to(torch.float32) - zero) * weights
            spectra = torch.fft.fft(torch.view_as_complex(weighted.view(-1, self.bins, 2)))
            power = torch.view_as_real(spectra).square().sum(dim=2)  # [frames, bins]
            if self.hold == "max":
                held = torch.maximum(held, power.amax(dim=0).to(torch.float64))
            else:
                held += power.sum(dim=0, dtype=torch.float64)
        return held if self.hold == "max" else held / self.frames_per_row
