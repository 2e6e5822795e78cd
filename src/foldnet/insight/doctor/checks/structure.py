"""Checks of the network's structure: calls, missing activations, and layers that were never added."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from math import prod
from pathlib import Path

from foldnet.disk.opening import read_file
from foldnet.errors import InputError
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, note, warning
from foldnet.insight.doctor.registry import FILE, SCRIPT, Check
from foldnet.insight.sites import Site
from foldnet.layers import LAYERS
from foldnet.layers.base import Layer
from foldnet.layers.convolution import Conv1D, Conv2D, Conv3D
from foldnet.layers.core import Dense
from foldnet.layers.tensors import Call
from foldnet.network import Network


def _straight(layer: Layer) -> bool:
    """Whether a layer is an elementwise affine function at prediction time."""
    return layer.identity_in_prediction or layer.scales_values


def calls_with_training(network: Network, prefix: str = "") -> Iterator[tuple[str, Call]]:
    """Every call of layers and nested networks with ``training=``."""
    for call in network.graph_calls:
        if "training" in call.kwargs:
            yield prefix + call.layer.name, call
        if isinstance(call.layer, Network):
            yield from calls_with_training(call.layer, f"{prefix}{call.layer.name}/")


def matters(layer: Layer) -> bool:
    """Whether training mode changes what a layer, or any layer inside it, computes."""
    if isinstance(layer, Network):
        return any(matters(inner) for inner in layer.layers)
    return layer.differs_in_training()


def training_baked_in(context: Context) -> Iterator[Finding]:
    """training= as part of the saved network."""
    for path, call in calls_with_training(context.network):
        if not matters(call.layer):
            continue
        random = call.layer.is_random
        if call.kwargs["training"]:
            batch = call.layer.normalizes_by == "batch"
            effect = "normalizes by the current batch" if batch else "is computed as in training"
            effect = "drops values at random" if random else effect
            yield error(
                path,
                f"The network itself calls it with training=True, so that prediction {effect}; Keras "
                f"releases differ in whether they follow it.",
                "Leave training= out of the call. For Monte Carlo dropout, call the model with training=True "
                "instead.",
                fixable=True, calls=len(call.layer.calls),
            )  # fmt: skip
        else:
            yield note(
                path,
                "The network itself calls it with training=False, so it stays in inference mode in training, "
                "too, from "
                "Keras 3.16 on; Keras 3 up to 3.15 writes this into every Dropout of a functional model.",
                "Leave training= out of the call, unless it is meant.", fixable=random,
                calls=len(call.layer.calls),
            )  # fmt: skip


def missing_activation(context: Context) -> Iterator[Finding]:
    """Two Dense layers, or two convolutions, without an activation between them."""
    for site in context.sites:
        before = context.back(site, _straight)
        if before is None or before.layer.ends_with != ("linear", {}):
            continue
        window = _window_of_both(context, before, site)
        if window is None:
            continue
        inputs, middle = before.layer.named_weights["kernel"].shape[-2:]
        outputs = int(site.layer.named_weights["kernel"].shape[-1])
        narrow = middle < min(inputs, outputs)
        make = note if narrow else warning
        one = f"one convolution of {' by '.join(map(str, window))} positions" if window else "one Dense layer"
        reason = (
            f"together one matrix of rank {middle}" if narrow and not window else f"together equal to {one}"
        )
        reason += f" of rank {middle}" if narrow and window else ""
        yield make(
            site.path,
            f"Nothing between {before.path!r} and this layer is nonlinear, so the two are {reason}.",
            'Give the first an activation, such as "relu"'
            + ("; leave it, if the bottleneck is meant." if narrow else ", and train again."),
            inputs=int(inputs), middle=int(middle), outputs=outputs, parameters=before.layer.count_params()
            + site.layer.count_params(), parameters_of_one=int(inputs) * outputs * prod(window) + outputs,
        )  # fmt: skip


def _window_of_both(context: Context, first: Site, second: Site) -> tuple[int, ...] | None:
    """The window of the one convolution that two equal, without axes for Dense; None if there is no such layer.

    A convolution that is also read by another layer is not the first of two, but the start of a branch. Nor are two
    with windows along different axes, which are cheaper than the one they equal, and meant so.
    """
    one, other = first.layer, second.layer
    if isinstance(one, Dense) and isinstance(other, Dense):
        return ()
    if not isinstance(one, Conv1D | Conv2D | Conv3D) or not isinstance(other, Conv1D | Conv2D | Conv3D):
        return None
    wide = [{axis for axis, size in enumerate(layer.kernel_size) if size > 1} for layer in (one, other)]
    apart = bool(wide[0]) and bool(wide[1]) and not wide[0] & wide[1]
    if apart or one.groups > 1 or other.groups > 1 or len(context.readers(first.path)) > 1:
        return None
    near = [(size - 1) * rate for size, rate in zip(one.kernel_size, one.dilation_rate, strict=True)]
    far = zip(other.kernel_size, other.dilation_rate, one.strides, strict=True)
    return tuple(n + (size - 1) * rate * step + 1 for n, (size, rate, step) in zip(near, far, strict=True))


def never_added(context: Context) -> Iterator[Finding]:
    """Layers that the script creates but does not use. The script is read, never executed."""
    tree, name = _parsed(context.script)
    made = [_made(node) for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)]
    loaded = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    lost = [(line, kind) for line, kind, variable in made if kind and variable and variable not in loaded]
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and (kind := _layer_class(node.value)):
            lost.append((node.lineno, kind))
    for line, kind in sorted(lost):
        there = sum(type(p.layer).__name__ == kind for p in context.sites)
        yield warning(
            "",
            f"{name}, line {line}, makes a {kind} and does nothing with it, so it is not part of the network.",
            f"model.add({kind}(...)), or x = {kind}(...)(x); then train again.",
            line=line, layers_of_this_class_in_network=there,
        )  # fmt: skip


def _parsed(script: object) -> tuple[ast.Module, str]:
    text, name = str(script), "the script"
    if isinstance(script, Path) or "\n" not in text:
        path = Path(text)
        if not path.is_file():
            raise InputError(f"script: there is no file {text!r}; give the path of the script, or its text")
        text, name = read_file(path).decode(errors="replace"), path.name
    try:
        return ast.parse(text), name
    except (SyntaxError, ValueError, RecursionError) as problem:
        raise InputError(f"{name} is not Python that can be read: {problem}") from None


def _made(node: ast.Assign | ast.AnnAssign) -> tuple[int, str, str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    kind = "" if node.value is None else _layer_class(node.value)
    single = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""
    return node.lineno, kind, single


def _layer_class(value: ast.expr) -> str:
    """The class, if an expression creates a layer, or creates and calls one."""
    if not isinstance(value, ast.Call):
        return ""
    function = value.func
    if isinstance(function, ast.Call):  # BatchNormalization()(x)
        return _layer_class(function)
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name if name in LAYERS and name != "InputLayer" else ""


CHECKS = (
    Check("training-baked-in", FILE, "training= inside the network", training_baked_in),
    Check(
        "missing-activation", FILE, "layers without activation between", missing_activation, excuse="curves"
    ),
    Check("layer-never-added", SCRIPT, "layers made and not used", never_added),
)
