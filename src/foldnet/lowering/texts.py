"""Which texts the layers of a network know: see ``graph/texts.py`` for what becomes of them."""

from __future__ import annotations

from math import lcm

from foldnet.errors import UnsupportedError
from foldnet.graph.texts import MOST_BINS, Texts
from foldnet.layers.base import Layer
from foldnet.layers.tensors import SymbolicTensor
from foldnet.network import Network

_Sources = dict[SymbolicTensor, SymbolicTensor]
"""For each tensor that holds texts the network's input that they come from."""
_Readers = dict[SymbolicTensor, list[Layer]]
"""For each such input the layers that read its texts."""


def holds_texts(tensor: SymbolicTensor) -> bool:
    """Whether an input's data is texts."""
    return tensor.dtype == "string"


def text_tables(network: Network) -> dict[SymbolicTensor, Texts]:
    """How the texts of each input become whole numbers; empty for a network whose inputs are numbers.

    Raises:
        UnsupportedError: a layer cannot read texts, or does not know its own yet.
    """
    readers: _Readers = {t: [] for t in network.inputs if holds_texts(t)}
    if not readers:
        return {}
    sources = {t: t for t in readers}
    _follow(network, sources, readers)
    if given := [sources[t].name for t in network.outputs if t in sources]:
        raise UnsupportedError(
            f"{network.name!r} gives the texts of its input {given[0]!r}, and foldnet's results are numbers; put a "
            "StringLookup or a Hashing after the input"
        )
    return {t: _table(t, layers) for t, layers in readers.items()}


def _follow(network: Network, sources: _Sources, readers: _Readers) -> None:
    for call in network.graph_calls:
        layer, found = call.layer, [t for t in call.operands if t in sources]
        if not found:
            continue
        if isinstance(layer, Network):
            inside = {
                own: sources[t] for t, own in zip(call.inputs, layer.inputs, strict=True) if t in sources
            }
            _follow(layer, inside, readers)
            pairs = zip(call.outputs, layer.outputs, strict=True)
            sources.update({t: inside[own] for t, own in pairs if own in inside})
        elif layer.takes_texts:
            readers[sources[found[0]]].append(layer)
        elif layer.moves_values and len(call.operands) == 1:
            sources[call.outputs[0]] = sources[found[0]]
        else:
            raise UnsupportedError(
                f"layer {layer.name!r} ({type(layer).__name__}) is given the texts of the input "
                f"{sources[found[0]].name!r}, and takes numbers; put a StringLookup or a Hashing before it"
            )


def _table(tensor: SymbolicTensor, layers: list[Layer]) -> Texts:
    needs = [layer.known_texts() for layer in layers]
    bins = lcm(*(count for _, count in needs))
    if bins > MOST_BINS:
        raise UnsupportedError(
            f"the texts of the input {tensor.name!r} are hashed into {' and '.join(str(n) for _, n in needs if n > 1)} "
            f"bins, whose least common multiple has more than 32 bits; give {layers[-1].name!r} an Input of its own"
        )
    return Texts(tuple(sorted({text for texts, _ in needs for text in texts})), bins)
