"""Forward C of the ops at the heart of training: Dense and randomness."""

from __future__ import annotations

from math import prod, sqrt

from foldnet.codegen.loops import broadcast_strides
from foldnet.engines.native.training.emit import Emitter
from foldnet.engines.native.training.layout import Operand
from foldnet.graph.graph import Node
from foldnet.operations.batch.op import Drop

PACKED = 24
"""Columns of a large kernel that `packed_dense` in kernels.h brings together at a time."""

PACKED_FROM = 40_000
"""Elements of a kernel from which that is done."""

SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805


def dense(e: Emitter, node: Node) -> None:
    """A product with the kernel, its columns shared among threads."""
    x, kernel = node.inputs[:2]
    fan_in, units = e.shape(kernel)
    times = prod(e.shape(x)[:-1])
    bias = e.place(node.inputs[2]) if len(node.inputs) > 2 else ""
    loop = f"for (long t = 0; t < {times}; t++) " if times != 1 else ""
    at_x, at_y = (f" + t * {fan_in} * R", f" + t * {units} * R") if times != 1 else ("", "")
    w, x, y = e.place(kernel), f"{e.place(x)}{at_x}", f"{e.place(node.output)}{at_y}"
    if fan_in * units >= PACKED_FROM:
        pack = e.space(f"packed columns {fan_in}", PACKED * 8 * fan_in, laned=False)
        e.any_product = True
        product = (
            f"packed_dense(job, {x}, {w}, {bias or 0}, {y}, {fan_in}, {units}, R, LOW({units}), HIGH({units}), "
            f"{pack} + ME * {PACKED * fan_in});"
        )
    else:
        product = e.product(units, "R", fan_in, (w, 1, units), x, "R", y, "R", bias)
    e.add(f"{loop}{{ {product} }}", "BARRIER")


def turned_dense(e: Emitter, node: Node) -> None:
    """A product with a kernel that is stored the other way round."""
    x, kernel = node.inputs
    units, fan_in = e.shape(kernel)
    times = prod(e.shape(x)[:-1])
    at_x, at_y = f" + t * {fan_in} * R", f" + t * {units} * R"
    left = (e.place(kernel), fan_in, 1)
    product = e.product(
        units, "R", fan_in, left, f"{e.place(x)}{at_x}", "R", f"{e.place(node.output)}{at_y}", "R"
    )
    e.add(f"for (long t = 0; t < {times}; t++) {{ {product} }}", "BARRIER")


def mask_of(e: Emitter, node: Node) -> tuple[Operand, Operand | None]:
    """A Drop's factors and addends as operands spread over its operand's shape."""
    op = node.op
    assert isinstance(op, Drop)
    shape = e.shape(node.inputs[0])
    shared = (*op.shared[1:], *(False,) * len(shape))[: len(shape)]
    mask = tuple(1 if s else n for s, n in zip(shared, shape, strict=True))
    factor = Operand(e.space(f"factor {node.output}", prod(mask)), broadcast_strides(mask))
    if op.kind in ("alpha_dropout", "gaussian_noise"):
        return factor, Operand(e.space(f"addend {node.output}", prod(mask)), broadcast_strides(mask))
    return factor, None


def drop(e: Emitter, node: Node) -> None:
    """Random factors, and x times them."""
    op = node.op
    assert isinstance(op, Drop)
    shape = e.shape(node.inputs[0])
    factor, addend = mask_of(e, node)
    count = prod(1 if s else n for s, n in zip((*op.shared[1:], *(False,) * len(shape)), shape, strict=False))
    number = e.layout.number
    low = high = addend_low = addend_high = "0.0"
    threshold = "0.0"
    if op.kind.startswith("gaussian"):
        high = number(op.rate if op.kind == "gaussian_noise" else sqrt(op.rate / (1 - op.rate)))
    elif op.kind == "alpha_dropout":
        a = ((1 - op.rate) * (1 + op.rate * SELU_FLOOR**2)) ** -0.5
        b = -a * SELU_FLOOR * op.rate
        threshold, high = number(min(round(op.rate * 2.0**32), 2**32)), number(a)
        addend_low, addend_high = number(a * SELU_FLOOR + b), number(b)
    else:
        threshold = number(min(round(op.rate * 2.0**32), 2**32))
        high = number(0.0 if op.rate >= 1 else 1 / (1 - op.rate))
    each = 0 if op.shared and op.shared[0] else 1
    quads = -(-count // 4)
    kind = {"gaussian_noise": 2, "gaussian_dropout": 1}.get(op.kind, 0)
    e.add(
        f"random_change({kind}, {factor.name}, {addend.name if addend else '0'}, {count}, R, {each}, LOW({quads}), "
        f"HIGH({quads}), TRAINING, step, (Key){{(uint32_t)seed, {op.stream & 0xFFFFFFFF}u}}, {threshold}, "
        f"(float){low}, (float){high}, (float){addend_low}, (float){addend_high});",
        "BARRIER",
    )
    x = e.operand(node.inputs[0], shape)
    operands = [e.target(node.output), x, factor, *([addend] if addend else [])]
    e.nest(shape, operands, lambda y, x, f, *d: f"{y} = {x} * {f}{' + ' + d[0] if d else ''};")
