"""PyTorch: a loop by hand with its fused Adam, eager and with the network compiled by ``torch.compile``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from cases import Training
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


def loop(case: Training, threads: int, step: Callable[[nn.Module], Any]) -> Callable[[int], float]:
    """A training of the network that ``step`` makes faster, with so many threads."""
    torch.manual_seed(0)
    own = network(case)
    model = step(own)
    adam = torch.optim.Adam(own.parameters(), 0.001, eps=1e-7, fused=True)
    x, y = (torch.from_numpy(a).split(case.batch) for a in case.data)

    def run(epochs: int) -> float:
        torch.set_num_threads(threads)
        for _ in range(epochs):
            total = torch.zeros(())
            for xs, ys in zip(x, y, strict=True):
                adam.zero_grad(set_to_none=True)
                loss = nn.functional.mse_loss(model(xs), ys)
                loss.backward()
                adam.step()
                total += loss.detach()
        return float(total) / case.steps

    return run


def trainer(case: Training, threads: int) -> Trainers:
    for count in sorted({threads, 1}):
        yield f"eager, {count} threads", loop(case, count, lambda model: model)
    yield f"torch.compile, {threads} threads", loop(case, threads, torch.compile)
