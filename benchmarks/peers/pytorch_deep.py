"""PyTorch's convolutional and recurrent networks, with the weights that foldnet's begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from deep_trainings import DeepTraining, large_windows, lenet, lstm, small_windows
from networks import EPSILON
from torch import nn

import foldnet
from peers import Trainers
from peers.pytorch import ways


class ChannelsFirst(nn.Module):
    """Puts the last axis behind that of the rows; before Flatten, Keras's order of features needs the reverse."""

    def forward(self, x: Any) -> Any:
        return x.movedim(-1, 1)


class ChannelsLast(nn.Module):
    """The reverse."""

    def forward(self, x: Any) -> Any:
        return x.movedim(1, -1)


class LastStep(nn.Module):
    """An LSTM's result at the last step."""

    def __init__(self, recurrent: nn.LSTM) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, x: Any) -> Any:
        return self.recurrent(x)[0][:, -1]


def _dense(kernel: Any, bias: Any) -> nn.Linear:
    made = nn.Linear(*kernel.shape)
    made.weight.data.copy_(torch.from_numpy(kernel.T.copy()))
    made.bias.data.copy_(torch.from_numpy(bias))
    return made


def _convolution(make: Any, kernel: Any, bias: Any, padding: int) -> Any:
    *size, channels, filters = kernel.shape
    made = make(channels, filters, tuple(size), padding=padding)
    order = (len(size) + 1, len(size), *range(len(size)))
    made.weight.data.copy_(torch.from_numpy(kernel.transpose(order).copy()))
    made.bias.data.copy_(torch.from_numpy(bias))
    return made


def _lenet(weights: list[Any]) -> nn.Module:
    w = iter(weights)
    return nn.Sequential(
        ChannelsFirst(), _convolution(nn.Conv2d, next(w), next(w), 2), nn.Tanh(), nn.AvgPool2d(2),
        _convolution(nn.Conv2d, next(w), next(w), 0), nn.Tanh(), nn.AvgPool2d(2), ChannelsLast(), nn.Flatten(),
        _dense(next(w), next(w)), nn.Tanh(), _dense(next(w), next(w)), nn.Tanh(), _dense(next(w), next(w)),
    )  # fmt: skip


def _windows(weights: list[Any]) -> nn.Module:
    *convolutions, kernel, bias = weights
    made: list[nn.Module] = [ChannelsFirst()]
    # Keras begins with gamma 1, beta 0 and statistics 0 and 1, as PyTorch does.
    for first in range(0, len(convolutions), 6):
        made += [_convolution(nn.Conv1d, *convolutions[first : first + 2], 2), nn.ReLU()]
        made.append(nn.BatchNorm1d(convolutions[first].shape[-1], eps=EPSILON, momentum=0.01))
    return nn.Sequential(*made, nn.AdaptiveAvgPool1d(1), nn.Flatten(), _dense(kernel, bias))


def _lstm(weights: list[Any]) -> nn.Module:
    kernel, recurrent, bias, *dense = weights
    made = nn.LSTM(kernel.shape[0], recurrent.shape[0], batch_first=True)
    for weight, value in zip(made.parameters(), (kernel.T, recurrent.T, bias, 0 * bias), strict=True):
        weight.data.copy_(torch.from_numpy(value.copy()))
    made.bias_hh_l0.requires_grad_(requires_grad=False)  # Keras has one bias; two would learn twice as fast
    return nn.Sequential(LastStep(made), _dense(*dense))


NETWORKS: dict[Callable[[Any], Any], Callable[[list[Any]], nn.Module]] = {
    lenet: _lenet, small_windows: _windows, large_windows: _windows, lstm: _lstm,
}  # fmt: skip


def trainer(case: DeepTraining, threads: int) -> Trainers:
    weights = case.started(foldnet).get_weights()
    criterion = nn.functional.mse_loss if case.classes is None else nn.functional.cross_entropy
    x, y = (torch.from_numpy(a) for a in case.data)
    data = x, y if case.classes is None else y.long()
    yield from ways(case, threads, lambda: NETWORKS[case.build](weights), data, criterion)
