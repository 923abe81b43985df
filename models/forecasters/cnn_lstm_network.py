"""The third paper's CNN-LSTM as a torch module: for training and explaining. The agent runs it in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class CnnLstmConfig:
    """Frequencies in and out, and steps forecast; the rest is fixed by the paper's table A1."""

    inputs: int
    outputs: int
    horizon: int = 12


class CnnLstmNetwork(nn.Module):
    """CNN-LSTM of Xu et al., "Explainable Multi-Frequency Long-Term Spectrum Prediction" (2025), table A1.

    Convolutions run over time with the frequencies as channels and are unpadded: 24 -> 22 -> 11 -> 9 -> 4
    steps. The layers' names in the table are Keras', so are the initial weights here: Glorot uniform,
    orthogonal for the recurrent ones, zero biases but one for the forget gates. Of torch's two biases of
    an LSTM the second stays zero, as Keras has one.

    Shape: scaled histories [n, 24, inputs] -> scaled forecasts [n, 12, outputs].
    """

    def __init__(self, config: CnnLstmConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv1d(config.inputs, 64, kernel_size=3)
        self.conv2 = nn.Conv1d(64, 32, kernel_size=3)
        self.pool = nn.MaxPool1d(2)
        self.drop = nn.Dropout(0.2)
        self.lstm1 = nn.LSTM(32, 64, batch_first=True)
        self.lstm2 = nn.LSTM(64, 32, batch_first=True)
        self.dense = nn.Linear(32, 64)
        self.output = nn.Linear(64, config.horizon * config.outputs)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # [n, 24, F] -> [n, F, 24]
        x = self.drop(self.pool(torch.relu(self.conv1(x))))  # -> [n, 64, 22] -> [n, 64, 11]
        x = self.drop(self.pool(torch.relu(self.conv2(x))))  # -> [n, 32, 9] -> [n, 32, 4]
        x, _ = self.lstm1(x.transpose(1, 2))  # -> [n, 4, 64]
        x, _ = self.lstm2(self.drop(x))  # -> [n, 4, 32]
        x = torch.relu(self.dense(self.drop(x[:, -1])))  # -> [n, 64]
        return self.output(x).view(-1, self.config.horizon, self.config.outputs)  # -> [n, 12, F]

    def _initialise(self) -> None:
        for layer in (self.conv1, self.conv2, self.dense, self.output):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        for lstm in (self.lstm1, self.lstm2):
            from_input, from_state, bias, second_bias = lstm.parameters()
            nn.init.xavier_uniform_(from_input)
            nn.init.orthogonal_(from_state)
            nn.init.zeros_(bias)
            nn.init.ones_(bias.data[lstm.hidden_size : 2 * lstm.hidden_size])  # the forget gate
            nn.init.zeros_(second_bias)
            second_bias.requires_grad_(False)
