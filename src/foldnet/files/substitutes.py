"""Layers and small networks that the caller gives for classes of their own in a file.

The caller's function gets the settings of a layer and returns what computes the same. The layer's weights in the file
then go to what was returned: from older files in the order in which Keras lists a layer's weights, from ``.keras`` and
``.weights.h5`` files, which keep no order of a layer's parts, by the parts' names, or by shapes where these decide.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from foldnet.errors import ConfigError, FileFormatError, FoldnetError
from foldnet.files import strict_json
from foldnet.files.dialects import Record
from foldnet.files.hdf5.merged import GroupLike
from foldnet.layers.base import Layer
from foldnet.layers.weight import WeightSpec
from foldnet.naming import snake_case

Shapes = tuple[tuple[int, ...], ...]
Leaf = tuple[Layer, WeightSpec]
MAX_GROUPS = 10_000


def made(record: Record, make: Callable[[dict[str, Any]], Any]) -> Layer:
    """What the caller's function returns for a layer of the file, under the layer's name.

    Raises:
        ConfigError: the function fails, or returns something else than a new layer or network.
    """
    where = f"layer {record.name!r}: the function given for {record.class_name}"
    try:
        layer = make(copy.deepcopy(dict(record.config)))
    except FoldnetError as error:
        raise type(error)(f"{where} failed: {error}") from None
    except Exception as error:
        raise ConfigError(
            f"{where} failed with {type(error).__name__}: {error}. It gets the layer's settings as a dict; a function "
            "of an array is given by activations= and not by custom_objects="
        ) from error
    if not isinstance(layer, Layer) or layer.is_input:
        raise ConfigError(
            f"{where} returned {type(layer).__name__}; it should return a foldnet layer, Sequential or Model"
        )
    layer.name = record.name
    if record.config.get("trainable") is False:
        layer.trainable = False
    declare_shape(layer, record)
    return layer


def declare_shape(layer: Layer, record: Record) -> None:
    """Keep the input shape that Keras 1 and 2 store in the settings of a network's first layer."""
    shape = record.config.get("batch_input_shape")
    if shape is not None and layer.declared_input_shape is None:
        layer.declared_input_shape = strict_json.shape(shape, f"the input shape of {record.name!r}")


def parts(layer: Layer) -> Iterator[Layer]:
    """The single layers with weights in a layer or network, in order, each once."""
    inner: Sequence[Layer] = getattr(layer, "layers", None) or ()
    if not inner:
        if layer.specs:
            yield layer
        return
    seen: set[Layer] = set()
    for one in inner:
        for part in parts(one):
            if part not in seen:
                seen.add(part)
                yield part


@dataclass(frozen=True)
class Stored:
    """A group of weights inside the group of a layer.

    Attributes:
        path: names of the groups that lead to it.
        group: with weights 0, 1, 2 and so on.
        shapes: of the weights in this order.
    """

    path: tuple[str, ...]
    group: GroupLike
    shapes: Shapes

    @property
    def names(self) -> set[str]:
        """The name of the attribute that held the part, and the part's own name if the file has it."""
        own = self.group.attribute("name")
        return {*self.path[-1:], *([own] if isinstance(own, str) else [])}

    def __str__(self) -> str:
        return f"{'/'.join(self.path) or 'its own'} {_text(self.shapes)}"


def stored_parts(group: GroupLike) -> list[Stored]:
    """Every group of weights inside a layer's group, in the file's order.

    Raises:
        FileFormatError: the weights of a group are not numbered from 0.
    """
    found, count = [], 0
    pending: list[tuple[tuple[str, ...], GroupLike]] = [((), group)]
    while pending:
        path, here = pending.pop()
        count += 1
        if count > MAX_GROUPS:
            raise FileFormatError(f"{group.path} holds more than {MAX_GROUPS:,} groups")
        if here.is_group("vars"):
            variables = here.group("vars")
            names = [str(i) for i in range(len(variables.names()))]
            if sorted(names) != sorted(variables.names()):
                raise FileFormatError(f"{variables.path} numbers its weights {variables.names()[:20]}")
            if names:
                shapes = tuple(variables.shape(name) for name in names)
                found.append(Stored(path, variables, shapes))
        inner = [name for name in here.names() if name != "vars" and here.is_group(name)]
        pending.extend(((*path, name), here.group(name)) for name in reversed(inner))
    return found


def matched(
    group: GroupLike, layer: Layer, ordered: Callable[[Layer], list[WeightSpec]]
) -> list[tuple[Stored, Layer]]:
    """Which group of weights belongs to which part of what the caller gave.

    Args:
        group: of the layer in the file.
        layer: what the caller gave.
        ordered: the weights of a single layer in the order of files.

    Raises:
        FileFormatError: they do not fit, or several parts fit the same group.
    """
    stored, own = stored_parts(group), list(parts(layer))
    needed = {part: tuple(s.shape for s in ordered(part)) for part in own}
    pairs = (
        _paired(stored, own, lambda s, part: part.name in s.names)
        or _paired(stored, own, _by_class(own))
        or _paired(stored, own, lambda s, part: s.shapes == needed[part])
    )
    listed = (
        f"the file has {'; '.join(map(str, stored[:12])) or 'none'}, and what was given for the layer has "
        f"{'; '.join(f'{p.name} {_text(s)}' for p, s in list(needed.items())[:12]) or 'none'}"
    )
    if pairs is None and Counter(s.shapes for s in stored) == Counter(needed.values()):
        raise FileFormatError(
            f"layer {layer.name!r}: several of its groups of weights have the same shapes, and the file does not say "
            f"their order. Name the layers of the network that you give after the groups: {listed}"
        )
    if pairs is None or any(s.shapes != needed[part] for s, part in pairs):
        raise FileFormatError(f"layer {layer.name!r}: its weights do not fit: {listed}")
    return pairs


def in_order(
    layer: Layer, stored: Sequence[tuple[str, tuple[int, ...]]], leaves: Sequence[Leaf]
) -> list[Leaf]:
    """The weight that each stored one means, by Keras's order.

    The stored names begin with the part that has the weight, so parts of different shapes are told apart whatever their
    order; among parts of the same shapes the order decides.

    Args:
        layer: what the caller gave.
        stored: name and shape of each weight, in the file's order.
        leaves: the weights of what the caller gave, in the order in which Keras would list them.

    Raises:
        FileFormatError: they do not fit.
    """
    theirs: dict[str, list[int]] = {}
    for k, (name, _) in enumerate(stored):
        theirs.setdefault(name.rpartition("/")[0], []).append(k)
    ours: dict[Layer, list[Leaf]] = {}
    for leaf in leaves:
        ours.setdefault(leaf[0], []).append(leaf)
    waiting: dict[Shapes, list[list[Leaf]]] = {}
    for part in ours.values():
        waiting.setdefault(tuple(spec.shape for _, spec in part), []).append(part)
    places: dict[int, Leaf] = {}
    for numbers in theirs.values():
        fitting = waiting.get(tuple(stored[k][1] for k in numbers))
        if not fitting:
            places = dict(enumerate(leaves))  # the names do not say which weights belong together
            break
        places |= zip(numbers, fitting.pop(0), strict=True)
    found = [places[k] for k in sorted(places)]
    if [shape for _, shape in stored] != [spec.shape for _, spec in found]:
        raise FileFormatError(
            f"layer {layer.name!r}: its weights do not fit: the file has "
            f"{', '.join(f'{name} {shape}' for name, shape in stored[:12])}, and what was given for the layer has "
            f"{', '.join(f'{part.name}/{spec.name} {spec.shape}' for part, spec in leaves[:12])}"
        )
    return found


def _paired(
    stored: Sequence[Stored], own: Sequence[Layer], fits: Callable[[Stored, Layer], bool]
) -> list[tuple[Stored, Layer]] | None:
    """Each group with the only part that fits it; None unless this uses every group and every part once."""
    pairs = [(s, part) for s in stored for part in own if fits(s, part)]
    once = len({id(s) for s, _ in pairs}) == len({id(p) for _, p in pairs}) == len(pairs)
    return pairs if once and len(pairs) == len(stored) == len(own) else None


def _by_class(own: Sequence[Layer]) -> Callable[[Stored, Layer], bool]:
    """Keras's names of the layers in a list or a network: the class, numbered in their order."""
    counts: Counter[str] = Counter()
    names: dict[Layer, str] = {}
    for part in own:
        base = snake_case(type(part).__name__)
        names[part] = f"{base}_{counts[base]}" if counts[base] else base
        counts[base] += 1
    return lambda s, part: s.path[-1:] == (names[part],)


def _text(shapes: Shapes) -> str:
    return ", ".join(map(str, shapes)) or "no weights"
