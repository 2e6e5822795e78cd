"""The layers that take several values: for each, the steps that fit some of the values there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.soak.draw import Dice, Shape
from tests.soak.tables import RECURRENT, YES_NO, settings_of

Found = tuple[str, dict[str, Any], tuple[str, ...], dict[str, Any]]
"""Class, settings, values and further arguments of a step."""
Values = Mapping[str, Shape]
"""Rows' shapes of the values of floats, by name."""


def _some(dice: Dice, names: list[str], least: int = 2) -> tuple[str, ...] | None:
    return tuple(dice.choices(names, k=dice.randint(least, 3))) if names else None


def merge(dice: Dice, values: Values) -> Found | None:
    """An elementwise merge of values of equal shape, or of one with itself."""
    shape = values[dice.choice(list(values))]
    chosen = _some(dice, [n for n, s in values.items() if s == shape])
    kind = dice.choice(["Add", "Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract"])
    return (kind, {}, chosen[:2] if kind == "Subtract" else chosen, {}) if chosen else None


def concatenate(dice: Dice, values: Values) -> Found | None:
    shape = values[dice.choice(list(values))]
    axis = dice.randrange(len(shape))

    def rest(s: Shape) -> Shape:
        return s[:axis] + s[axis + 1 :]

    fitting = [n for n, s in values.items() if len(s) == len(shape) and rest(s) == rest(shape)]
    chosen = _some(dice, fitting)
    number = dice.choice([axis + 1, axis - len(shape)])
    return ("Concatenate", {"axis": number}, chosen, {}) if chosen else None


def dot(dice: Dice, values: Values) -> Found | None:
    names = dice.choices(list(values), k=2)
    one, other = values[names[0]], values[names[1]]
    axes = [(i + 1, j + 1) for i, n in enumerate(one) for j, m in enumerate(other) if n == m and n]
    if not axes:
        return None
    return "Dot", {"axes": list(dice.choice(axes)), "normalize": dice.choice(YES_NO)}, tuple(names), {}


def _sequences(dice: Dice, values: Values) -> tuple[str, str] | None:
    """Two sequences with equally many features."""
    names = [n for n, s in values.items() if len(s) == 2]
    if not names:
        return None
    query = dice.choice(names)
    return query, dice.choice([n for n in names if values[n][-1] == values[query][-1]])


def attention(dice: Dice, values: Values) -> Found | None:
    pair = _sequences(dice, values)
    if pair is None:
        return None
    kind = dice.choice(["Attention", "AdditiveAttention"])
    config: dict[str, Any] = {"use_scale": dice.choice(YES_NO)}
    if kind == "Attention":
        config["score_mode"] = dice.choice(["dot", "concat"])
    return kind, config, pair, _attention_arguments(dice)


def _attention_arguments(dice: Dice) -> dict[str, Any]:
    arguments = {}
    if dice.often(0.3):
        arguments["use_causal_mask"] = True
    if dice.often(0.2):
        arguments["return_attention_scores"] = True
    return arguments


def heads(dice: Dice, values: Values) -> Found | None:
    pair = _sequences(dice, values)
    if pair is None:
        return None
    config: dict[str, Any] = {"use_bias": dice.choice(YES_NO), "dropout": dice.choice([0.0, 0.2])}
    if dice.often(0.5):
        config |= {"num_heads": dice.randint(1, 3), "key_dim": dice.randint(1, 4)}
        if dice.often(0.3):
            config["value_dim"] = dice.randint(1, 4)
        return "MultiHeadAttention", config, pair, _attention_arguments(dice)
    heads = dice.randint(1, 2)
    config |= {"head_dim": dice.randint(1, 4), "num_key_value_heads": heads}
    config["num_query_heads"] = heads * dice.randint(1, 2)
    return "GroupQueryAttention", config, pair, _attention_arguments(dice)


def with_initial_state(dice: Dice, values: Values) -> Found | None:
    """A recurrent layer whose states are other values of the network."""
    sequences = [n for n, s in values.items() if len(s) == 2]
    states = [n for n, s in values.items() if len(s) == 1 and s[0]]
    if not sequences or not states:
        return None
    kind, state = dice.choice(list(RECURRENT)), dice.choice(states)
    config = settings_of(kind, RECURRENT[kind], dice, ()) | {"units": values[state][0]}
    fitting = [n for n in states if values[n] == values[state]]
    given = [f"@{dice.choice(fitting)}" for _ in range(2 if kind == "LSTM" else 1)]
    return kind, config, (dice.choice(sequences),), {"initial_state": given}


JOINING: list[Callable[[Dice, Values], Found | None]] = [
    merge, merge, concatenate, concatenate, dot, attention, heads, with_initial_state,
]  # fmt: skip
