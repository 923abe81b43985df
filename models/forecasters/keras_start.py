"""Keras' initial weights for torch's layers: the third paper's tables name Keras' layers.

Glorot uniform, orthogonal for what comes from a recurrent state, zero biases but one for an LSTM's forget
gates.
"""

from __future__ import annotations

from torch import Tensor, nn


def start_dense(*layers: nn.Linear | nn.Conv1d) -> None:
    """Glorot uniform weights, zero biases."""
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


def start_lstm(*layers: nn.LSTM) -> None:
    """Of torch's two biases the second stays zero and is not trained: Keras has one."""
    for layer in layers:
        bias, second_bias = _start_recurrent(layer)
        nn.init.ones_(bias.data[layer.hidden_size : 2 * layer.hidden_size])  # the forget gate
        second_bias.requires_grad_(False)


def start_gru(*layers: nn.GRU) -> None:
    """Both biases are trained: Keras' GRU has two, too (`reset_after`, its default and torch's form)."""
    for layer in layers:
        _start_recurrent(layer)


def _start_recurrent(layer: nn.LSTM | nn.GRU) -> tuple[Tensor, Tensor]:
    from_input, from_state, bias, second_bias = layer.parameters()
    nn.init.xavier_uniform_(from_input)
    nn.init.orthogonal_(from_state)
    nn.init.zeros_(bias)
    nn.init.zeros_(second_bias)
    return bias, second_bias
