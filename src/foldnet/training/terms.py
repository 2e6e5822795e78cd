"""Find out which loss belongs to which outputs, from the nested losses and weights given to ``compile``.

A loss may belong to one output, or to a part of the outputs' structure; it then gets its arrays in that structure. A
list may also hold several losses for the same outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foldnet.errors import ConfigError
from foldnet.structure import flatten, is_nested, map_structure, numbered, pack, same, shown


@dataclass(frozen=True)
class Term:
    """One loss of a network.

    Attributes:
        name: in the logs, if there are several losses.
        loss: as given.
        weight: factor of this loss in the total.
        at: the outputs' indices, nested like the arrays that the loss gets; one index for one output.
    """

    name: str
    loss: Any
    weight: float
    at: Any

    @property
    def places(self) -> list[int]:
        """Indices of the outputs."""
        return flatten(self.at)


@dataclass(frozen=True)
class _WeightedLoss:
    loss: Any
    weight: float


def terms_of(loss: Any, loss_weights: Any, structure: Any, names: Sequence[str]) -> list[Term]:
    """The losses of a network, in Keras's order.

    Args:
        loss: as ``compile`` was given it.
        loss_weights: as ``compile`` was given it.
        structure: of the outputs.
        names: of the outputs, in order.

    Raises:
        ConfigError: losses or weights that do not fit the outputs.
    """
    loss = _plain(loss)
    if _is_dict(loss) and not isinstance(structure, Mapping):
        loss, loss_weights = _by_name(loss, loss_weights, names)
    weighted = _with_weights(loss, loss_weights, names)
    if not is_nested(weighted):
        weighted = map_structure(lambda _: weighted, structure)
    found: list[Term] = []
    _collect(weighted, numbered(structure), pack(structure, names), (), found)
    return found


def _is_dict(value: Any) -> bool:
    return isinstance(value, Mapping)


def _plain(loss: Any) -> Any:
    """The losses, with each stored configuration (a dict) wrapped so that it is not taken for a structure."""
    if isinstance(loss, Mapping):
        if "class_name" in loss and "config" in loss:
            return _Record(loss)
        return {key: _plain(value) for key, value in loss.items()}
    if isinstance(loss, list | tuple):
        return [_plain(v) for v in loss] if isinstance(loss, list) else tuple(_plain(v) for v in loss)
    return loss


class _Record:
    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record


def _by_name(loss: Mapping[str, Any], weights: Any, names: Sequence[str]) -> tuple[list[Any], Any]:
    if unknown := [key for key in loss if key not in names]:
        raise ConfigError(f"loss names {unknown}, but the outputs are {list(names)}")
    if isinstance(weights, Mapping):
        if unknown := [key for key in weights if key not in names]:
            raise ConfigError(f"loss_weights names {unknown}, but the outputs are {list(names)}")
        weights = [weights.get(name) for name in names]
    elif isinstance(weights, list | tuple) and len(weights) == len(loss) < len(names):
        by_name = dict(zip(loss, weights, strict=True))
        weights = [by_name.get(name) for name in names]
    return [loss.get(name) for name in names], weights


def _with_weights(loss: Any, weights: Any, names: Sequence[str]) -> Any:
    """The losses, each with its weight."""
    if weights is None:
        return map_structure(lambda entry: None if entry is None else _WeightedLoss(entry, 1.0), loss)
    if not is_nested(loss):
        if is_nested(weights) and len(names) > 1:
            if isinstance(weights, Mapping):
                return {
                    name: _WeightedLoss(loss, _number(weights.get(name))) for name in _known(weights, names)
                }
            if len(weights) != len(names):
                raise ConfigError(
                    f"loss_weights has {len(weights)} entries for {len(names)} outputs ({', '.join(names)})"
                )
            return [_WeightedLoss(loss, _number(w)) for w in weights]
        if isinstance(weights, Mapping):
            _known(weights, names)
        (weight,) = _one(flatten(weights))
        return None if loss is None else _WeightedLoss(loss, _number(weight))
    if not is_nested(weights):
        return map_structure(
            lambda entry: None if entry is None else _WeightedLoss(entry, _number(weights)), loss
        )
    if isinstance(loss, Mapping) and isinstance(weights, Mapping):
        if unknown := [key for key in weights if key not in loss]:
            raise ConfigError(f"loss_weights names {unknown}, but the losses are of {list(loss)}")
        return {key: _with_weights(entry, weights.get(key), names) for key, entry in loss.items()}
    given = flatten(weights)
    if not same(loss, weights) and len(given) != len(flatten(loss)):
        raise ConfigError(
            f"loss_weights must have a weight for each loss: there are {len(flatten(loss))} losses and "
            f"{len(given)} weights"
        )
    rest = iter(given)
    return map_structure(
        lambda entry: (lambda w: None if entry is None else _WeightedLoss(entry, _number(w)))(next(rest)),
        loss,
    )


def _known(weights: Mapping[str, Any], names: Sequence[str]) -> Sequence[str]:
    if unknown := [key for key in weights if key not in names]:
        raise ConfigError(f"loss_weights names {unknown}, but the outputs are {list(names)}")
    return names


def _one(weights: list[Any]) -> list[Any]:
    if len(weights) != 1:
        raise ConfigError(f"loss_weights has {len(weights)} entries for one loss")
    return weights


def _number(weight: Any) -> float:
    if weight is None:
        return 1.0
    try:
        return float(weight)
    except (TypeError, ValueError):
        raise ConfigError(f"loss_weights must hold numbers, got {weight!r}") from None


def _collect(loss: Any, at: Any, names: Any, path: tuple[Any, ...], found: list[Term]) -> None:
    """Add the terms of a part of the outputs' structure."""
    if loss is None:
        return None
    if isinstance(loss, _WeightedLoss):
        given = loss.loss.record if isinstance(loss.loss, _Record) else loss.loss
        found.append(Term(_name(path, names), given, loss.weight, at))
        return None
    outputs = flatten(at)
    if isinstance(loss, list | tuple):
        if len(loss) == len(outputs) and not any(is_nested(entry) for entry in loss):
            loss = pack(at, loss)  # one per output, in order
            if not is_nested(loss):
                return _collect(loss, at, names, path, found)
        elif not isinstance(at, list | tuple) or isinstance(loss, list) is not isinstance(at, list):
            for entry in loss:  # not nested like the outputs: several losses for the same outputs
                _collect(entry, at, names, path, found)
            return None
    where = "/".join(map(str, path)) or "the outputs"
    if not is_nested(at) or isinstance(loss, Mapping) is not isinstance(at, Mapping):
        raise ConfigError(f"loss has {shown(loss)} for {where}, where the network has {shown(at)}")
    if isinstance(loss, Mapping):
        if unknown := [key for key in loss if key not in at]:
            raise ConfigError(f"loss names {unknown}, but the outputs are {sorted(at)}")
        for key in loss:
            _collect(loss[key], at[key], names[key], (*path, key), found)
        return None
    if len(loss) > len(at):
        raise ConfigError(
            f"loss has {len(loss)} entries for {where}, expected {len(at)} entries: {', '.join(flatten(names))}; "
            f"nested as a {type(at).__name__}, it is one for each output"
        )
    for i, entry in enumerate(loss):
        _collect(entry, at[i], names[i], (*path, i), found)
    return None


def _name(path: tuple[Any, ...], names: Any) -> str:
    if not is_nested(names):
        if not path:
            path = (names,)
        elif isinstance(path[-1], int):
            path = (*path[:-1], names)
    if not path:
        return "_".join(map(str, sorted(names) if isinstance(names, Mapping) else flatten(names)))
    return "/".join(map(str, path))
