"""In which number format to train: bfloat16 where the hardware multiplies it faster, else float32."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def chosen_precision(wanted: Precision, device: str) -> Literal["float32", "bfloat16"]:
    """What `auto` means on a device: bfloat16 on a GPU that has it and on a processor with AMX tiles.

    AVX-512 alone is not enough, even with its bfloat16 products. Measured, one thread, windows a second
    forward and backward at batch 32, float32 and bfloat16: with AMX 334 and 469 at width 16, 30 and 76 at
    width 64; the same processor held to AVX512_BF16 (ONEDNN_MAX_CPU_ISA) 319 and 277, 31 and 26; held to
    AVX-512 without it 304 and 131.
    """
    if wanted != "auto":
        return wanted
    return "bfloat16" if _gains(torch.device(device)) else "float32"


def _gains(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has_tiles = getattr(torch.cpu, "_is_amx_tile_supported", None)  # torch has no public word for it
    return device.type == "cpu" and has_tiles is not None and bool(has_tiles())
