"""Einsum equations of one input and a kernel: labels, and the shapes that follow from them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from foldnet.errors import ConfigError
from foldnet.layers.tensors import Shape

_FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


@dataclass(frozen=True)
class Equation:
    """An equation for inputs of a known rank.

    Attributes:
        inputs: a label for each axis of the input; axes of the ellipsis have numbers as labels.
        kernel: a label for each axis of the kernel.
        outputs: a label for each axis of the result.
        elided: how many axes the ellipsis covers.
        left: whether the ellipsis comes first.
        named: the labels of the result without the ellipsis.
    """

    inputs: tuple[str, ...]
    kernel: tuple[str, ...]
    outputs: tuple[str, ...]
    elided: int
    left: bool
    named: str

    @property
    def summed(self) -> tuple[str, ...]:
        """Labels of the kernel that are not in the result, in the kernel's order."""
        return tuple(k for k in self.kernel if k not in self.outputs)

    @property
    def new(self) -> tuple[str, ...]:
        """Labels of the kernel that are not in the input, in the kernel's order."""
        return tuple(k for k in self.kernel if k not in self.inputs)


def read_equation(text: str, rank: int) -> Equation:
    """Parse an equation for inputs of a rank.

    Raises:
        ConfigError: it is of another form, or its labels contradict each other or the rank.
    """
    found = _FORM.fullmatch(text.replace(" ", "")) if isinstance(text, str) else None
    dots = [bool(found[k]) for k in (1, 3, 5, 7)] if found else []
    if found is None or dots not in ([False] * 4, [True, False, True, False], [False, True, False, True]):
        raise ConfigError(
            f"the einsum equation {text!r} has none of the forms ab,bc->ac, ...ab,bc->...ac and ab...,bc->ac..."
        )
    inputs, kernel, outputs = found[2], found[4], found[6]
    for labels in (inputs, kernel, outputs):
        if len(set(labels)) != len(labels):
            raise ConfigError(f"the einsum equation {text!r} names an axis twice in {labels!r}")
    elided = rank - len(inputs)
    if elided < 0:
        raise ConfigError(
            f"the einsum equation {text!r} takes at least {len(inputs)} axes, and the input has {rank}"
        )
    for label in outputs:
        if label not in inputs + kernel:
            raise ConfigError(f"in {text!r}, the axis {label!r} of the result is in neither input nor kernel")
    for label in kernel:
        if label not in inputs + outputs:
            raise ConfigError(f"in {text!r}, the axis {label!r} of the kernel is in neither input nor result")
    more = tuple(str(k) for k in range(elided))
    if dots[0]:
        return Equation((*more, *inputs), tuple(kernel), (*more, *outputs), elided, True, outputs)
    return Equation((*inputs, *more), tuple(kernel), (*outputs, *more), elided, False, outputs)


def result_shape(equation: Equation, input_shape: Shape, given: Shape) -> Shape:
    """Shape of the result, batch axis first, from the input's shape and ``output_shape``.

    Raises:
        ConfigError: ``output_shape`` does not fit the equation or the input.
    """
    front = input_shape[: max(equation.elided, 1)] if equation.left else input_shape[:1]
    back = input_shape[len(input_shape) - equation.elided :] if equation.elided and not equation.left else ()
    shape = (*front, *given, *back)
    if len(shape) != len(equation.outputs):
        raise ConfigError(
            f"output_shape {given} gives a result of shape {shape}, and the equation has the axes "
            f"{''.join(equation.outputs)}; give a size for each but the first"
        )
    sizes = dict(zip(equation.inputs, input_shape, strict=True))
    whole = []
    for label, size in zip(equation.outputs, shape, strict=True):
        own = sizes.get(label)
        if label in sizes and size is not None and own is not None and size != own:
            raise ConfigError(f"output_shape has {size} for the axis {label!r}, and the input has {own}")
        whole.append(own if label in sizes and size is None else size)
    return tuple(whole)


def kernel_shape(equation: Equation, input_shape: Shape, output_shape: Shape) -> tuple[int, ...]:
    """Shape of the kernel.

    Raises:
        ConfigError: a size is not known.
    """
    sizes = dict(zip(equation.inputs, input_shape, strict=True)) | dict(
        zip(equation.outputs, output_shape, strict=True)
    )
    shape = tuple(sizes[label] for label in equation.kernel)
    known = tuple(n for n in shape if n is not None)
    if len(known) != len(shape):
        raise ConfigError(
            f"the kernel's sizes must be known, and are {shape} for inputs of shape {input_shape}"
        )
    return known


def bias_shape(equation: Equation, axes: str, output_shape: Shape) -> tuple[int, ...]:
    """Shape of the bias: from its first axis on, with 1 for axes without a bias.

    Raises:
        ConfigError: an axis that the result does not have, or whose size is not known.
    """
    if not axes or any(label not in equation.named for label in axes):
        raise ConfigError(f"bias_axes={axes!r} must name axes of the result, {equation.named!r}")
    sizes = dict(zip(equation.outputs, output_shape, strict=True))
    first = min(equation.named.index(label) for label in axes)
    shape = [sizes[label] if label in axes else 1 for label in equation.named[first:]]
    shape += [] if equation.left else [1] * equation.elided
    known = tuple(n for n in shape if n is not None)
    if len(known) != len(shape):
        raise ConfigError(f"the bias's sizes must be known, and are {tuple(shape)}; give output_shape")
    return known
