"""The third paper's CNN as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .keras_start import start_dense
from .network_config import NetworkConfig

STEPS_LEFT = 4  # of 24, after two kernels of 3 and two pools of 2


class CnnNetwork(nn.Module):
    """CNN of Xu et al. (2025), appendix A.1: table A1 "excluding the LSTM layers".

    What stands between the second pool, 4 steps of 32 filters, and the dense layer is left open: they are
    laid side by side, 128 values, as Keras' `Flatten` does and nothing shorter would keep. Padding, pools
    and initial weights are as in `CnnLstmNetwork`.

    Shape: scaled histories [n, 24, inputs] -> scaled forecasts [n, 12, outputs].
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv1d(config.inputs, 64, kernel_size=3)
        self.conv2 = nn.Conv1d(64, 32, kernel_size=3)
        self.pool = nn.MaxPool1d(2)
        self.drop = nn.Dropout(0.2)
        self.dense = nn.Linear(32 * STEPS_LEFT, 64)
        self.output = nn.Linear(64, config.horizon * config.outputs)
        start_dense(self.conv1, self.conv2, self.dense, self.output)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # [n, 24, F] -> [n, F, 24]
        x = self.drop(self.pool(torch.relu(self.conv1(x))))  # -> [n, 64, 22] -> [n, 64, 11]
        x = self.drop(self.pool(torch.relu(self.conv2(x))))  # -> [n, 32, 9] -> [n, 32, 4]
        x = torch.relu(self.dense(x.flatten(1)))  # -> [n, 128] -> [n, 64]
        return self.output(x).view(-1, self.config.horizon, self.config.outputs)  # -> [n, 12, outputs]
