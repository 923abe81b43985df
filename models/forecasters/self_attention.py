"""Self-attention over steps with heads of a width of their own, as Keras' `MultiHeadAttention` has them."""

from __future__ import annotations

import math

from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Scaled dot-product attention of every step to every step (Vaswani et al. 2017), all with biases.

    Torch's own layer makes the heads share the width of its input; Keras', which the third paper's
    `num_heads`, `key_dim` and `head_size` belong to, does not. The initial weights are Keras': uniform, by
    the fans that it gives a kernel with an axis for the heads.

    Shape: [n, t, width] -> [n, t, width].
    """

    def __init__(self, width: int, heads: int, head_size: int) -> None:
        super().__init__()
        self.heads = heads
        self.head_size = head_size
        self.query_key_value = nn.Linear(width, 3 * heads * head_size)
        self.output = nn.Linear(heads * head_size, width)
        for layer, fans in (
            (self.query_key_value, width * (heads + head_size)),  # kernel [width, heads, head_size]
            (self.output, heads * (head_size + width)),  # kernel [heads, head_size, width]
        ):
            limit = math.sqrt(6 / fans)
            nn.init.uniform_(layer.weight, -limit, limit)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        apart = self.query_key_value(x).view(n, t, 3, self.heads, self.head_size)
        query, key, value = apart.permute(2, 0, 3, 1, 4)  # [n, heads, t, head_size] each
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.output(attended.transpose(1, 2).reshape(n, t, self.heads * self.head_size))
