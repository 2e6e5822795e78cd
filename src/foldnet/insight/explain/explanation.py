"""What ``explain`` returns: plain data in sections and blocks, and its text for a terminal.

The blocks hold all of the content; ``text`` is one layout of them, and there are others.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldnet.escaping import escaped

if TYPE_CHECKING:
    from foldnet.insight.explain.source import Source

WIDTH = 80


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Formula:
    """What a layer computes in training and at prediction time."""

    training: str
    prediction: str


@dataclass(frozen=True)
class Code:
    """Lines of NumPy that give the same numbers."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Cells under a header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Steps:
    """A calculation step by step: the operation and its result."""

    title: str
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Program:
    """Lines of Python to copy, which no layout may break."""

    title: str
    lines: tuple[str, ...]


Block = Words | Formula | Code | Table | Steps | Program

ENDING = "Your prediction function must contain"
"""The title of the last part of an explanation of a whole network."""


@dataclass(frozen=True)
class Section:
    """One layer call.

    Attributes:
        name: path of the call.
        kind: class of the layer.
        input_shape: of what it reads, as text.
        output_shape: of what it gives, as text.
        blocks: its content, in order.
    """

    name: str
    kind: str
    input_shape: str
    output_shape: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Explanation:
    """What a network, or a layer of it, computes.

    Attributes:
        title: what is explained.
        sections: one per layer call, in computing order.
        source: the network and data that it was made from; needed to draw a page.
        ending: for a whole network, NumPy code with everything that your own prediction function must compute.
    """

    title: str
    sections: tuple[Section, ...]
    ending: tuple[Block, ...] = ()
    source: Source | None = field(default=None, repr=False, compare=False)

    def section(self, name: str) -> Section:
        """The section of a layer call.

        Raises:
            KeyError: there is no section of that name.
        """
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(f"{name!r} is not explained here; there are {[s.name for s in self.sections]}")

    def text(self, width: int = WIDTH) -> str:
        """The explanation for a terminal of this width."""
        from foldnet.insight.arguments import whole

        return escaped("\n".join(_lines(self, whole("width", width, 20))))

    def __str__(self) -> str:
        return self.text()

    def to_html(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the explanation as one self-contained page, which loads nothing and works from a disk.

        Args:
            path: of the file to write; a page that foldnet wrote is replaced.
            overwrite: whether any other file may be replaced, too.

        Raises:
            ConfigError: ``path`` is no name of a file.
            FileExistsError: the file exists, is not such a page, and ``overwrite`` is False.
            InputError: the explanation was not made by ``explain``.
        """
        from foldnet.export.files import write_files
        from foldnet.insight.arguments import path_of
        from foldnet.insight.explain.page import page_html

        target = path_of(path)
        write_files({target: page_html(self).encode()}, overwrite=overwrite)
        return target

    def _repr_html_(self) -> str:
        """The explanation in a notebook."""
        from foldnet.insight.explain.page.fragment import fragment_html

        return fragment_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; every block has its ``type``."""
        sections = [
            {
                "name": s.name, "kind": s.kind, "input_shape": s.input_shape, "output_shape": s.output_shape,
                "blocks": [{"type": type(b).__name__.lower(), **asdict(b)} for b in s.blocks],
            }
            for s in self.sections
        ]  # fmt: skip
        ending = [{"type": type(b).__name__.lower(), **asdict(b)} for b in self.ending]
        return {"title": self.title, "sections": sections, "prediction_function": ending}


# -- text -----------------------------------------------------------------------------------------------------


def _lines(explanation: Explanation, width: int) -> Iterator[str]:
    yield from _wrap(explanation.title, width, "")
    for section in explanation.sections:
        yield ""
        yield from _heading(section, width)
        for i, block in enumerate(section.blocks):
            if i and not isinstance(block, Words):
                yield ""
            yield from _block(block, width)
    if explanation.ending:
        yield ""
        yield f"━━ {ENDING} ".ljust(width, "━")[:width]
        for i, block in enumerate(explanation.ending):
            yield from [""] * bool(i)
            yield from _block(block, width)


def _heading(section: Section, width: int) -> Iterator[str]:
    shapes = (
        f"{section.input_shape} → {section.output_shape}" if section.input_shape else section.output_shape
    )
    left = f"━━ {section.name} · {section.kind} "
    right = f" {shapes} ━━"
    if len(left) + len(right) + 2 <= width:
        yield left + "━" * (width - len(left) - len(right)) + right
        return
    yield from _wrap(left.rstrip(), width, "")
    yield from _wrap(shapes, width, "   ")


def _block(block: Block, width: int) -> Iterator[str]:
    if isinstance(block, Words):
        yield from _wrap(block.text, width, "  ")
    elif isinstance(block, Formula):
        if block.training == block.prediction:
            yield from _wrap(f"  training and prediction   {block.training}", width, " " * 28, first="")
        else:
            yield from _wrap(f"  in training     {block.training}", width, " " * 18, first="")
            yield from _wrap(f"  at prediction   {block.prediction}", width, " " * 18, first="")
    elif isinstance(block, Code):
        yield from _wrap(block.title, width, "  ")
        for line in block.lines:
            yield from _wrap(line, width, "      ", first="    ")
    elif isinstance(block, Program):
        yield from _wrap(block.title, width, "  ")
        yield ""
        yield from (f"    {line}".rstrip() for line in block.lines)
    elif isinstance(block, Table):
        yield from _table(block, width)
    else:
        yield from _wrap(block.title, width, "  ")
        wide = max(len(what) for what, _ in block.steps)
        for what, result in block.steps:
            yield from _wrap(f"{what:<{wide}}  → {result}", width, "      ", first="    ")


def _table(table: Table, width: int) -> Iterator[str]:
    lines = [table.header, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    last = max(12, width - 2 - sum(widths[:-1]) - 2 * (len(widths) - 1))
    if sum(widths[:-1]) + 2 * len(widths) + last > width:
        for name, *cells in table.rows:  # no room for columns
            yield from _wrap(f"{name}: {', '.join(c for c in cells if c)}", width, "    ", first="  ")
        return
    for line in lines:
        start = "  " + "".join(f"{cell:<{w}}  " for cell, w in zip(line[:-1], widths[:-1], strict=True))
        folded = textwrap.wrap(line[-1], last) or [""]
        yield (start + folded[0]).rstrip()
        for more in folded[1:]:
            yield " " * len(start) + more


def _wrap(text: str, width: int, indent: str, first: str | None = None) -> list[str]:
    lead = indent if first is None else first
    return textwrap.wrap(
        text,
        width,
        initial_indent=lead,
        subsequent_indent=indent,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )
