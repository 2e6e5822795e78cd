"""Names from a network made safe to write into source code.

A layer's name comes from a file, so it may hold anything: quotes, newlines, code. What goes into generated
text passes through one of these functions and nothing else.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

LONGEST = 60


def plain(text: str) -> str:
    """The text for a comment or docstring: one line of printable characters, no quote and no backslash.

    >>> plain('a"b\\nc')
    'a?b?c'
    """
    kept = "".join(c if c.isprintable() and c not in '"`\\' else "?" for c in text)
    # A C compiler opens or ends a comment at these pairs, and joins lines at "??/"; none may survive.
    kept = re.sub(r"\?{2,}", "?", kept.replace("*/", "*?").replace("/*", "/?"))
    return kept if len(kept) <= LONGEST else kept[: LONGEST - 3] + "..."


def identifier(text: str, otherwise: str = "value") -> str:
    """A lower-case ASCII identifier, valid in Python and C, that resembles the text.

    >>> identifier("block 1/dense@1")
    'block_1_dense_call_2'
    >>> identifier("class"), identifier("2nd"), identifier("日本")
    ('class_', 'n_2nd', 'value')
    """
    text = re.sub(r"@(\d+)$", lambda m: f"_call_{int(m[1]) + 1}", text[: 4 * LONGEST])
    name = re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")[:LONGEST].strip("_") or otherwise
    if name[0].isdigit():
        name = f"n_{name}"
    taken = keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name)
    return f"{name}_" if taken else name


class Namespace:
    """Names already given; every new one differs from them all.

    >>> names = Namespace(["np"])
    >>> names.fresh("np"), names.fresh("x"), names.fresh("x")
    ('np_2', 'x', 'x_2')
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)

    def fresh(self, wanted: str) -> str:
        """``wanted``, or ``wanted_2``, ``wanted_3`` where it is taken."""
        name, count = wanted, 1
        while name in self.taken:
            count += 1
            name = f"{wanted}_{count}"
        self.taken.add(name)
        return name


_WORDS = """
abs acos acosf acosh acoshf asin asinf asinh asinhf asm at atan atan2f atanf atanhf auto bad begun bits bool break by
c case ceil ceilf char columns const continue cos cosf cosh coshf count default div do double e else end enum erf erfc
erff exp expf extern f first first_c first_h float floor floorf fma fmaf fmod fmodf for from g gamma gates goto h held
high i if index infinity inline inner int j j0 j1 jn k keys l lengths linux log log10f log2f logf long low m main mask
mean n nan o out own p packed parts places powf q register restrict return rintf round row rows rows_of s short signed
sin sinf sinh sinhf sizeof sizes spread sqrt sqrtf start static struct sum switch t tan tanf tanh tanhf taps to top
total trunc truncf typedef u union unix unsigned v values void volatile w while wide workspace x y y0 y1 yn z
"""

C_RESERVED = frozenset(_WORDS.split())
"""Names that mean something else in the C of a network; no value may have one. Loops count with ``i0``, ``k0``, ..."""
