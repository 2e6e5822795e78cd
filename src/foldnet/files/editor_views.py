"""How the file editor shows weights, and differences between a file and a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from foldnet.escaping import escaped_name

Weights = Mapping[str, Any]


class Difference(NamedTuple):
    """The result of comparing one weight or object: how it differs, or None if it is the same."""

    path: str
    text: str | None


def tree_view(weights: Weights, title: str) -> Tree:
    """Objects as branches, weights as leaves."""
    return _grow(Tree(Text(title, style="bold")), weights)


def _grow(tree: Tree, weights: Weights) -> Tree:
    for name, value in weights.items():
        if isinstance(value, Mapping):
            _grow(tree.add(Text(escaped_name(name), style="bold")), value)
        else:
            tree.add(Text(f"{escaped_name(name)}: shape={value.shape}, dtype={value.dtype}"))
    return tree


def differences(saved: Weights, expected: Weights, path: str = "") -> Iterator[Difference]:
    """Every weight that both have, and every weight or object that differs.

    Args:
        saved: of the file.
        expected: of the network.
        path: of the object that has them.
    """
    for name in [*expected, *(key for key in saved if key not in expected)]:
        here = f"{path}/{name}".lstrip("/")
        first, second = saved.get(name), expected.get(name)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            yield from differences(first, second, here)
        else:
            yield Difference(here, _difference(first, second))


def _difference(saved: Any, expected: Any) -> str | None:
    if saved is None:
        return f"the network has {_what(expected)}, and the file does not"
    if expected is None:
        return f"the file has {_what(saved)}, and the network does not"
    if isinstance(saved, Mapping) or isinstance(expected, Mapping) or saved.shape != expected.shape:
        return f"the file has {_what(saved)}, and the network {_what(expected)}"
    return None


def _what(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"an object of {', '.join(escaped_name(key) for key in value) or 'nothing'}"
    return f"a weight of shape {value.shape}"


def comparison(found: Sequence[Difference]) -> RenderableType:
    """The differences, one per line, and whether the file fits the network."""
    errors = [Text(f"{escaped_name(path)}: {text}", style="red") for path, text in found if text is not None]
    same = len(found) - len(errors)
    verdict = f"{len(errors)} differences" if len(errors) != 1 else "1 difference"
    end = (
        Text(f"The file does not fit the network: {verdict}", style="bold red")
        if errors
        else Text("The file fits the network", style="bold green")
    )
    return Group(*errors, end, Text(f"{same} weight{'' if same == 1 else 's'} of the same shape"))
