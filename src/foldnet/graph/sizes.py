"""Sizes that are known only when a program runs: whole numbers that depend on the lengths of free axes.

A ``Size`` stands for an int in shapes: it can be added, multiplied, divided by an int and compared. So shape rules and
the code that writes C need not know of it. What they compute with it is kept as a polynomial of lengths and of whole
parts of quotients. Where they compare, the answer is the one for some assumed lengths, and it becomes a condition: a
program serves the lengths for which all comparisons come out the same. Two things need no condition. A ``Size`` is
never taken for 1, as what is right for many positions is right for one. And while code is written, two sizes are equal
only if they are the same expression, as code that treats equal sizes as different ones is right too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal, cast

Terms = tuple[tuple[tuple[int, ...], int], ...]
"""A polynomial: products of atoms, by their numbers, each with a factor; sorted."""

Relation = Literal["==", "!=", ">=", "<"]

_LONG = (1_000_003, 1_000_033, 1_000_037, 1_000_039, 1_000_081, 1_000_099)
"""Large, so that all windows fit, and primes, so that they are no multiples."""

_LONG_MULTIPLES = tuple(k * 2**9 * 3**2 * 5 for k in (45, 44, 43, 42, 41, 40))
"""For networks that take multiples only, such as those that halve an axis, double it and join both."""


def long_lengths(count: int) -> list[tuple[int, ...]]:
    """Lengths to answer comparisons for that suit most networks, the usual ones first."""
    return [tuple(some[k % len(some)] for k in range(count)) for some in (_LONG, _LONG_MULTIPLES)]


@dataclass(frozen=True)
class Atom:
    """What polynomials are made of, all of it at least 0.

    Attributes:
        kind: a length, the whole part of a quotient, the larger of two numbers, or one of two by the sign of another.
        terms: of the numerator, or of both numbers; of one that may be below 0 and those chosen by it.
        number: which length, or the divisor.
    """

    kind: Literal["length", "quotient", "larger", "chosen"]
    terms: tuple[Terms, ...] = ()
    number: int = 0


@dataclass(frozen=True)
class Condition:
    """How a polynomial must compare with 0."""

    terms: Terms
    relation: Relation


def _holds(value: int, relation: Relation) -> bool:
    return {"==": value == 0, "!=": value != 0, ">=": value >= 0, "<": value < 0}[relation]


@dataclass
class Lengths:
    """The lengths of a program's free axes, and what was asked about sizes that depend on them.

    Attributes:
        assumed: the lengths to answer comparisons for; each is at least 1.
        conditions: that the lengths must fulfil, besides.
        is_writing: whether code is being written.
        printed: gives the name of a polynomial in the code that is being written.
        names: of the lengths, for people; by default n0, n1, ...

    >>> lengths = Lengths([1000])
    >>> n = lengths.free[0]
    >>> size = (n - 3) // 2 + 1
    >>> size, lengths.value(size, [10]), size - (n - 1) // 2
    (-1 + (1 + n0) // 2, 4, 0)
    >>> n >= 3, lengths.fit([2]), lengths.fit([3])
    (True, False, True)
    """

    assumed: Sequence[int]
    conditions: dict[Condition, None] = field(default_factory=dict)
    is_writing: bool = False
    printed: Callable[[Terms], str] | None = None
    names: Sequence[str] = ()
    _atoms: list[Atom] = field(default_factory=list)
    _numbers: dict[Atom, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(len(self.assumed)):
            self.number(Atom("length", (), number))

    @property
    def free(self) -> list[int]:
        """The sizes that are the lengths themselves."""
        return [_polynomial(self, {(number,): 1}) for number in range(len(self.assumed))]

    def number(self, atom: Atom) -> int:
        """The number of an atom."""
        if atom not in self._numbers:
            self._numbers[atom] = len(self._atoms)
            self._atoms.append(atom)
        return self._numbers[atom]

    def atom(self, number: int) -> Atom:
        """The atom with this number."""
        return self._atoms[number]

    def value(self, size: int, lengths: Sequence[int]) -> int:
        """A size for these lengths."""
        found = free(size)
        return size if found is None else self._of_terms(found.terms, lengths)

    def usual(self, terms: Terms) -> int:
        """A polynomial for the assumed lengths."""
        return self._of_terms(terms, self.assumed)

    def always(self, terms: Terms) -> bool:
        """Whether a polynomial is known to be at least 0."""
        low = self._low(terms)
        return low is not None and low >= 0

    def _of_terms(self, terms: Terms, lengths: Sequence[int]) -> int:
        return sum(c * prod(self._of_atom(a, lengths) for a in atoms) for atoms, c in terms)

    def _of_atom(self, number: int, lengths: Sequence[int]) -> int:
        atom = self._atoms[number]
        if atom.kind == "length":
            return lengths[atom.number]
        values = [self._of_terms(terms, lengths) for terms in atom.terms]
        if atom.kind == "chosen":
            return values[1] if values[0] >= 0 else values[2]
        return values[0] // atom.number if atom.kind == "quotient" else max(values)

    def fit(self, lengths: Sequence[int]) -> bool:
        """Whether the lengths fulfil the conditions."""
        return all(n >= 1 for n in lengths) and all(
            _holds(self._of_terms(c.terms, lengths), c.relation) for c in self.conditions
        )

    def require(self, size: int, relation: Relation) -> None:
        """Add a condition, whether it holds for the assumed lengths or not."""
        found = free(size)
        if found is not None:
            self.conditions[Condition(found.terms, relation)] = None

    def answer(self, terms: Terms, relation: Relation) -> bool:
        """How a polynomial compares with 0, which becomes a condition where it could be otherwise."""
        known = self._known(terms, relation)
        if known is not None:
            return known
        holds = _holds(self.usual(terms), relation)
        opposite: dict[Relation, Relation] = {"==": "!=", "!=": "==", ">=": "<", "<": ">="}
        self.conditions[Condition(terms, relation if holds else opposite[relation])] = None
        return holds

    def _known(self, terms: Terms, relation: Relation) -> bool | None:
        """The same where it is known for all lengths."""
        low = self._low(terms)
        high = self._low(tuple((atoms, -c) for atoms, c in terms))
        if relation in ("==", "!="):
            differs = (low is not None and low > 0) or (high is not None and high > 0)
            return (relation == "!=") if differs else None
        if low is not None and low >= 0:
            return relation == ">="
        if high is not None and high > 0:
            return relation == "<"
        return None

    def _low(self, terms: Terms) -> int | None:
        """A number that the polynomial is at least; None if there may be none."""
        if any(c < 0 for atoms, c in terms if atoms):
            return None
        lengths = range(len(self.assumed))
        return sum(c for atoms, c in terms if all(a in lengths for a in atoms))


class Size:
    """A whole number that depends on lengths.

    Attributes:
        lengths: that it depends on.
        terms: the polynomial.
    """

    __slots__ = ("lengths", "terms")

    def __init__(self, lengths: Lengths, terms: Terms) -> None:
        self.lengths, self.terms = lengths, terms

    def _with(self, other: object, sign: int) -> int:
        terms = dict(self.terms)
        for atoms, factor in _terms_of(other):
            terms[atoms] = terms.get(atoms, 0) + sign * factor
        return _polynomial(self.lengths, terms)

    def __add__(self, other: object) -> int:
        return self._with(other, 1)

    __radd__ = __add__

    def __sub__(self, other: object) -> int:
        return self._with(other, -1)

    def __rsub__(self, other: object) -> int:
        return -self._with(other, -1)

    def __neg__(self) -> int:
        return self * -1

    def __mul__(self, other: object) -> int:
        terms: dict[tuple[int, ...], int] = {}
        for left, a in self.terms:
            for right, b in _terms_of(other):
                atoms = tuple(sorted(left + right))
                terms[atoms] = terms.get(atoms, 0) + a * b
        return _polynomial(self.lengths, terms)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> int:
        # What is left after whole multiples has only factors above 0: C, which rounds towards 0, does the same.
        whole = {atoms: factor // divisor for atoms, factor in self.terms}
        rest = tuple((atoms, factor % divisor) for atoms, factor in self.terms if factor % divisor)
        if any(atoms for atoms, _ in rest):
            number = self.lengths.number(Atom("quotient", (rest,), divisor))
            whole[(number,)] = whole.get((number,), 0) + 1
        return _polynomial(self.lengths, whole)

    def __mod__(self, divisor: int) -> int:
        return self - (self // divisor) * divisor

    def _is(self, relation: Relation, other: object) -> bool:
        difference = self._with(other, -1)
        found = free(difference)
        return _holds(difference, relation) if found is None else self.lengths.answer(found.terms, relation)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, int | Size) or other == 1:
            return False
        if self.lengths.is_writing and (isinstance(other, Size) or other != 0):
            return self.terms == _terms_of(other)
        return self._is("==", other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.terms)

    def __bool__(self) -> bool:
        return self.lengths.is_writing or self != 0

    def __ge__(self, other: object) -> bool:
        return self._is(">=", other)

    def __lt__(self, other: object) -> bool:
        return self._is("<", other)

    def __gt__(self, other: object) -> bool:
        # More than one position, or one: but not none.
        return self._is(">=", 1 if other == 1 else cast(int, other) + 1)

    def __le__(self, other: object) -> bool:
        return not self > other

    def __str__(self) -> str:
        return repr(self) if self.lengths.printed is None else self.lengths.printed(self.terms)

    def __format__(self, form: str) -> str:
        return format(str(self), form)

    def __repr__(self) -> str:
        return written(self.lengths, self.terms)


def _terms_of(number: object) -> Terms:
    if isinstance(number, Size):
        return number.terms
    if not isinstance(number, int):
        raise TypeError(f"a size has no arithmetic with {number!r}")
    return (((), number),)


def _polynomial(lengths: Lengths, terms: Mapping[tuple[int, ...], int]) -> int:
    """A polynomial as a Size; as an int where it depends on no length."""
    kept = {atoms: factor for atoms, factor in terms.items() if factor}
    if not any(kept):
        return kept.get((), 0)
    # A Size acts as an int, and shapes are typed as ints.
    return cast(int, Size(lengths, tuple(sorted(kept.items()))))


def free(number: object) -> Size | None:
    """The number if it is a Size, for code that must know."""
    return number if isinstance(number, Size) else None


def usual(number: int) -> int:
    """The number, or what a Size is for the assumed lengths: for choices that are right either way."""
    found = free(number)
    return number if found is None else found.lengths.usual(found.terms)


def larger(a: int, b: int) -> int:
    """The larger of two numbers, one of which is at least 0.

    >>> larger(3, 0)
    3
    """
    both = [size for size in (free(a), free(b)) if size is not None]
    if not both:
        return max(a, b)
    lengths = both[0].lengths
    for high, low in ((a, b), (b, a)):
        difference = free(high - low)
        if difference is None:
            return high if high - low >= 0 else low
        if lengths.always(difference.terms):
            return high
    number = lengths.number(Atom("larger", tuple(sorted((_terms_of(a), _terms_of(b))))))
    return _polynomial(lengths, {(number,): 1})


def smaller(a: int, b: int) -> int:
    """The smaller of two numbers, one of which is at least 0.

    >>> smaller(3, 0)
    0
    """
    return a + b - larger(a, b)


def chosen(by: int, a: int, b: int) -> int:
    """The first of two numbers that are at least 0 if another one is at least 0, else the second: no condition.

    >>> chosen(0, 3, 5), chosen(-1, 3, 5)
    (3, 5)
    """
    size = free(by)
    if size is None:
        return a if by >= 0 else b
    if size.lengths.always(size.terms):
        return a
    number = size.lengths.number(Atom("chosen", (size.terms, _terms_of(a), _terms_of(b))))
    return _polynomial(size.lengths, {(number,): 1})


def written(lengths: Lengths, terms: Terms) -> str:
    """A polynomial in Python."""
    products = []
    for atoms, factor in terms:
        names = [_atom_written(lengths, lengths.atom(a)) for a in atoms]
        products.append(" * ".join([*([str(factor)] if factor != 1 or not atoms else []), *names]))
    return " + ".join(products)


def _atom_written(lengths: Lengths, atom: Atom) -> str:
    if atom.kind == "length":
        return lengths.names[atom.number] if lengths.names else f"n{atom.number}"
    texts = [written(lengths, terms) for terms in atom.terms]
    if atom.kind == "chosen":
        return f"({texts[1]} if {texts[0]} >= 0 else {texts[2]})"
    whole = texts[0] if texts[0].isidentifier() else f"({texts[0]})"
    return f"{whole} // {atom.number}" if atom.kind == "quotient" else f"max({', '.join(texts)})"
