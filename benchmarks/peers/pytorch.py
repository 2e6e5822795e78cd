"""PyTorch: a loop by hand with its fused Adam, eager and with the network compiled by ``torch.compile``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from cases import Training
from deep_trainings import DeepTraining
from networks import EPSILON
from torch import nn

from peers import Trainers

FUNCTIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def network(case: Training) -> nn.Sequential:
    """The network with its first weights."""
    made: list[nn.Module] = []
    for k, (kernel, bias, *norm) in enumerate(case.start):
        dense = nn.Linear(*kernel.shape)
        with torch.no_grad():
            dense.weight.copy_(torch.from_numpy(kernel.T.copy()))
            dense.bias.copy_(torch.from_numpy(bias))
        made.append(dense)
        if k < len(case.start) - 1:
            made.append(FUNCTIONS[case.network.activation]())
            if case.network.dropout:
                made.append(nn.Dropout(case.network.dropout))
            if norm:
                made.append(nn.BatchNorm1d(len(bias), eps=EPSILON, momentum=0.01))
    return nn.Sequential(*made)


def loop(
    case: Training | DeepTraining, threads: int, own: nn.Module, model: Any, data: Any, criterion: Any
) -> Callable[[int], float]:
    """A training of the network ``own`` that calls ``model``, with so many threads."""
    adam = torch.optim.Adam([p for p in own.parameters() if p.requires_grad], 0.001, eps=1e-7, fused=True)
    x, y = (a.split(case.batch) for a in data)

    def run(epochs: int) -> float:
        torch.set_num_threads(threads)
        for _ in range(epochs):
            total = torch.zeros(())
            for xs, ys in zip(x, y, strict=True):
                adam.zero_grad(set_to_none=True)
                loss = criterion(model(xs), ys)
                loss.backward()
                adam.step()
                total += loss.detach()
        return float(total) / case.steps

    return run


def ways(
    case: Training | DeepTraining, threads: int, make: Callable[[], nn.Module], data: Any, criterion: Any
) -> Trainers:
    """A network that ``make`` gives, eager and compiled."""
    for count in sorted({threads, 1}):
        torch.manual_seed(0)
        own = make()
        yield f"eager, {count} threads", loop(case, count, own, own, data, criterion)
    torch.manual_seed(0)
    own = make()
    yield f"torch.compile, {threads} threads", loop(case, threads, own, torch.compile(own), data, criterion)


def trainer(case: Training, threads: int) -> Trainers:
    data = [torch.from_numpy(a) for a in case.data]
    yield from ways(case, threads, lambda: network(case), data, nn.functional.mse_loss)
