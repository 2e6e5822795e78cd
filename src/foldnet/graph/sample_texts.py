"""Texts to try a network with: all that it knows, and others of many lengths, forms and bins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from foldnet.graph.texts import Texts

PER_BIN = 3
"""How many other texts to find for each bin, if bins are few."""
FEWEST, MOST = 40, 240
"""How many other texts there are at least, and at most."""
TRIES = 4000
LETTERS = (
    "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 _-.,;'\"?\\/äßéøЖλعकあ語\u00a0\U0001f600\U00020000\uffff"
)
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 32, 33, 50, 64, 65, 100, 128, 129, 200)
"""FarmHash has a case for each of several ranges of lengths."""


def sample_texts(texts: Texts, allowed: Iterable[int] | None = None, seed: int = 0) -> list[str]:
    """The known texts, and others, so that each code occurs, if it can be found.

    Args:
        texts: the table.
        allowed: the only codes that the network takes; None if it takes any.
        seed: of the other texts; the same seed gives the same.

    >>> found = sample_texts(Texts(("a", "b"), bins=4))
    >>> sorted({Texts(("a", "b"), bins=4).code(text) for text in found})
    [-4, -3, -2, -1, 0, 1]
    """
    only = None if allowed is None else set(allowed)
    known = [text for code, text in enumerate(texts.known) if only is None or code in only]
    if only is not None and all(code >= 0 for code in only):
        return known
    return [*known, *_others(texts, only, seed)]


def _others(texts: Texts, only: set[int] | None, seed: int) -> Iterator[str]:
    enough = min(max(PER_BIN * texts.bins, FEWEST), MOST)
    per_bin = max(PER_BIN, -(-FEWEST // texts.bins))
    counts: Counter[int] = Counter()
    taken = set(texts.known)
    for tried, text in enumerate(_made(texts, seed)):
        if counts.total() >= enough or tried >= TRIES:
            return
        code = -1 if text in taken else texts.code(text)
        if text not in taken and counts[code] < per_bin and (only is None or code in only):
            counts[code] += 1
            taken.add(text)
            yield text


def _made(texts: Texts, seed: int) -> Iterator[str]:
    """The empty text, changes of known texts, and letters of all kinds."""
    generator = np.random.default_rng(seed)
    yield ""
    for length in LENGTHS:
        yield _drawn(generator, length)
    for text in texts.known[:: max(1, len(texts.known) // 8)][:8]:
        yield from (text + "a", text[:-1], text.upper(), f" {text}")
    while True:
        for length in LENGTHS:
            yield _drawn(generator, length)


def _drawn(generator: np.random.Generator, length: int) -> str:
    return "".join(LETTERS[k] for k in generator.integers(0, len(LETTERS), length))
