"""Operations that search: the interval of a value, and the entry of a whole number in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from foldnet.errors import ConfigError
from foldnet.farmhash import fingerprint
from foldnet.graph.op import INT, Dtype, Op, Shape

LIMITS = -(2**31), 2**31 - 1
"""The smallest and the largest whole number."""


@dataclass(frozen=True)
class Digitize(Op):
    """How many boundaries are not above the value. Operands: x, boundaries (count,), which ascend. NaN is above all."""

    weights: ClassVar[tuple[int, int]] = (1, 1)

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        x, boundaries = shapes
        if len(boundaries) != 1 or boundaries[0] == 0:
            raise ConfigError(f"Digitize takes a row of boundaries, not a constant of shape {boundaries}")
        return x

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """Whole numbers."""
        return INT


@dataclass(frozen=True)
class Hash(Op):
    """FarmHash's fingerprint of each whole number's decimal digits, modulo ``bins``: see ``digits_hash``.

    Attributes:
        bins: how many results there are.
        masked: the number whose result is 0; those of all others are then one more. None for no such number.
    """

    bins: int
    masked: int | None = None

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        if not 0 < self.bins < LIMITS[1]:
            raise ConfigError(f"a Hash has at least one bin, and fewer than {LIMITS[1]}, not {self.bins}")
        return shapes[0]

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """Whole numbers."""
        return INT


def digits_hash(number: int) -> int:
    """FarmHash's Fingerprint64 of a number's decimal digits and sign.

    >>> digits_hash(7) % 10, digits_hash(-2147483648) % 1000
    (8, 469)
    """
    return fingerprint(str(number).encode())


@dataclass(frozen=True)
class Lookup(Op):
    """For each whole number the value of the key that it is.

    Attributes:
        keys: whole numbers that ascend.
        values: one for each key.
        first: the value of a number that is no key.
        others: how many values there are for such numbers: ``x`` gets ``first + x mod others``. With 0, it is an
            InputError.
    """

    fault: ClassVar[str] = "a value that its table does not have"

    keys: tuple[int, ...]
    values: tuple[int, ...]
    first: int
    others: int = 1

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        ascending = all(a < b for a, b in zip(self.keys, self.keys[1:], strict=False))
        low, high = LIMITS
        whole = all(
            low <= n <= high for n in (*self.keys, *self.values, self.first, self.first + self.others)
        )
        if not (
            ascending and whole and self.keys and len(self.keys) == len(self.values) and self.others >= 0
        ):
            raise ConfigError(
                f"a Lookup has a value of 32 bits for each of its keys, which ascend, not {len(self.values)} for "
                f"{len(self.keys)}"
            )
        return shapes[0]

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """Whole numbers."""
        return INT

    @property
    def looks_up(self) -> tuple[Sequence[int], bool]:
        """The keys, and whether other numbers have a value."""
        return self.keys, self.others > 0

    def refusal(self, layer: str, *shapes: Shape) -> str:
        """The error text for a number that is no key."""
        return (
            f"layer {layer!r} is given a value that is not in its vocabulary, and has num_oov_indices=0; give it "
            "num_oov_indices=1 for an index of all such values"
        )
