"""The third paper's CNN-LSTM, reading some of the columns that it is given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..models.forecasters.cnn_lstm_network import CnnLstmNetwork
from ..models.forecasters.network_config import NetworkConfig
from ..pipeline.frames import Int64


class SelectingNetwork(nn.Module):
    """A `CnnLstmNetwork` of the `columns` (int64 [k]) alone; the others do not touch what it says.

    Shape: scaled histories [n, 24, F] -> scaled forecasts [n, 12, outputs].
    """

    def __init__(self, columns: Int64, outputs: int) -> None:
        super().__init__()
        self.register_buffer("columns", torch.from_numpy(columns.copy()), persistent=False)
        self.network = CnnLstmNetwork(NetworkConfig(inputs=len(columns), outputs=outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.index_select(2, self.get_buffer("columns")))  # [n, 24, k] goes in
