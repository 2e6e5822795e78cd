"""``foldnet summary``: the layers, their shapes and their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from foldnet.cli.options import FILE, common, load_network, print_json, weights_option
from foldnet.cli.terminal import say, text_width

if TYPE_CHECKING:
    from foldnet.layers.base import Layer


@click.command(
    epilog="""\b
Examples:
  foldnet summary wine.keras
  foldnet summary wine.keras --json
  foldnet summary wine.json --weights wine_weights.h5
"""
)
@click.argument("file", type=FILE)
@weights_option
@common
def command(file: str, weights: str | None, as_json: bool) -> None:
    """Print the network of a file as Keras prints it.

    For each layer, trainable and other weights are counted separately,
    and the four vectors of a BatchNormalization are explained.
    """
    model = load_network(file, weights)
    if as_json:
        print_json(
            {"file": file, "name": model.name, "layers": [described(layer) for layer in model.operations]}
        )
    else:
        model.summary(line_length=text_width(), print_fn=say)


def described(layer: Layer) -> dict[str, Any]:
    """A layer for JSON: name, class, shapes, and its weights by name."""
    calls = [
        {"inputs": [t.shape for t in c.inputs], "outputs": [t.shape for t in c.outputs]} for c in layer.calls
    ]
    weights = [
        {"name": s.name, "shape": s.shape, "trainable": s.trainable and layer.trainable} for s in layer.specs
    ]
    return {
        "name": layer.name,
        "class": type(layer).__name__,
        "calls": calls,
        "weights": weights,
        "parameters": layer.count_params(),
    }
