"""Every forecaster that `evaluate forecast` knows, by the name that its tables call it."""

from __future__ import annotations

from .forecast_problem import Trainer
from .forecasters.default_training import train_default
from .forecasters.fitted_nlinear import train_nlinear
from .forecasters.fitted_repeat_last import train_repeat_last
from .forecasters.mean_24 import train_mean_24
from .forecasters.ridge import train_ridge
from .forecasters.seasonal import train_seasonal
from .network_trainers import network_trainer

TRAINERS: dict[str, Trainer] = {
    "repeat-last": train_repeat_last,
    "mean-24": train_mean_24,
    "seasonal": train_seasonal,
    "nlinear": train_nlinear,
    "ridge": train_ridge,
    "lstm": network_trainer("lstm"),
    "gru": network_trainer("gru"),
    "cnn": network_trainer("cnn"),
    "transformer": network_trainer("transformer"),
    "cnn-lstm": network_trainer("cnn-lstm"),
    "cnn-lstm-attention": network_trainer("cnn-lstm-attention"),
    "default": train_default,
}
"""Tables list them in this order. To add one, add its line."""

BASELINES = ("repeat-last", "mean-24", "seasonal", "nlinear", "ridge")
"""What anybody would try: in every table, and the same whatever the seed."""
