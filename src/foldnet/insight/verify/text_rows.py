"""What a candidate is given for rows of a network that takes texts: those texts, not the codes that it computes on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph
from foldnet.graph.tables import looked_up, texts_to_try
from foldnet.graph.texts import Texts, as_texts, plain_text
from foldnet.insight.rows import input_parts


class TextRows:
    """Texts for codes.

    Args:
        graph: of the network.
        given: the texts of the caller, which are used before others: for each input of texts an array.
    """

    def __init__(self, graph: Graph, given: Sequence[Array] | None = None) -> None:
        self._graph = graph
        self._texts: dict[str, dict[int, list[str]]] = {}
        found = looked_up(graph)
        for k, name in enumerate(graph.inputs):
            if name in graph.texts:
                table = graph.texts[name]
                own = [] if given is None else given[k].ravel().tolist()
                self._texts[name] = _by_code(table, [*own, *texts_to_try(table, found.get(name))])

    def shown(self, inputs: Sequence[Array]) -> list[Array]:
        """The rows as the candidate gets them: for each code a text that has it, not always the same one."""
        return [self._shown(name, codes) for name, codes in zip(self._graph.inputs, inputs, strict=True)]

    def _shown(self, name: str, codes: Array) -> Array:
        if name not in self._texts:
            return codes
        texts = self._texts[name]
        flat = [texts[code][k % len(texts[code])] for k, code in enumerate(codes.ravel().tolist())]
        return text_array(flat, codes.shape)


def _by_code(table: Texts, texts: Sequence[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for text in dict.fromkeys(texts):
        found.setdefault(table.code(text), []).append(text)
    return found


def given_rows(graph: Graph, x: object, codes: Sequence[Array]) -> list[Array]:
    """The caller's rows as the candidate gets them.

    Args:
        graph: of the network.
        x: as ``verify`` takes it.
        codes: what the network computes on, read from it before.
    """
    if not graph.texts:
        return list(codes)
    parts = zip(graph.inputs, input_parts(graph, x), codes, strict=True)
    return [_plain(part, array) if name in graph.texts else array for name, part, array in parts]


def _plain(part: object, codes: Array) -> Array:
    found = as_texts(part)
    flat = [] if found is None else [plain_text(text) for text in found.ravel().tolist()]
    return text_array(flat, codes.shape)


def text_array(texts: Sequence[str], shape: tuple[int, ...]) -> Array:
    """An array of ``str``; of objects if a text ends in NUL, which NumPy would leave out.

    >>> text_array(["a", "bc"], (2, 1)).dtype
    dtype('<U2')
    """
    array = np.empty(len(texts), object)
    array[:] = texts
    ends = any(text.endswith("\0") for text in texts)
    return array.reshape(shape) if ends else array.astype(str).reshape(shape)
