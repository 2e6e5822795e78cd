"""A layer's own settings as text, for every kind of layer."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from foldnet.insight.explain.explanation import Words
from foldnet.layers.base import Layer
from foldnet.layers.configured import settings_of

LEFT_OUT = re.compile(r".*_(initializer|regularizer|constraint)|seed|synchronized|autocast|name|dtype")
"""Settings for how weights are initialized and changed, not for what the layer computes."""
LEFT_OUT_OF_INPUTS = re.compile(r"shape|batch_shape|batch_size|sparse|ragged|optional")
"""Settings of an InputLayer, whose shape is in the heading."""


def settings_words(layer: Layer) -> list[Words]:
    """A sentence with the layer's settings; nothing for a layer without settings."""
    told = ", ".join(f"{name} = {text}" for name, text in given_settings(layer))
    return [Words(f"Its settings: {told}.")] if told else []


def given_settings(layer: Layer) -> Iterator[tuple[str, str]]:
    """Each setting that affects what the layer computes, with its value as text."""
    common = set(settings_of(Layer))
    if layer.is_operation:  # its formula has them
        return
    for name in settings_of(type(layer)):
        value = getattr(layer, layer.kept_as.get(name, name), None)
        left_out = LEFT_OUT.fullmatch(name) or (layer.is_input and LEFT_OUT_OF_INPUTS.fullmatch(name))
        if name not in common and value is not None and not left_out:
            yield name, value_text(value)


def value_text(value: object) -> str:
    """A setting's value as text.

    >>> value_text(1 / 255), value_text((2, -1)), value_text("relu"), value_text(6.0)
    ('0.003921569 (1/255)', '(2, -1)', "'relu'", '6')
    """
    if value is None or isinstance(value, bool | str):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return str(value.get("class_name") or value.get("name") or dict(value))
    if isinstance(value, Sequence):
        several = [value_text(v) for v in value[:8]] + ["…"] * (len(value) > 8)
        return f"({', '.join(several)}{',' * (len(several) == 1)})"
    if isinstance(value, np.ndarray | np.generic):
        return value_text(value.tolist())
    if isinstance(value, Layer):
        return f"{type(value).__name__} {value.name!r}"
    while isinstance(value, functools.partial):
        value = value.func
    return str(getattr(value, "__name__", None) or getattr(value, "name", None) or type(value).__name__)


def _number(value: float) -> str:
    whole = round(1 / value) if value and abs(value) < 1 else 0
    text = f"{value:.7g}"
    is_share = abs(whole) > 1 and np.isclose(1 / whole, value, rtol=1e-7) and len(text) > 6
    return f"{text} ({'-' * (whole < 0)}1/{abs(whole)})" if is_share else text
