"""The Python package around a library: what its ``__init__.py`` says, and the files beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pprint import pformat
from typing import TYPE_CHECKING

from foldnet.codegen.headers import header
from foldnet.codegen.names import plain
from foldnet.export.c_texts import fill
from foldnet.export.library.c_header import c_example, c_header
from foldnet.export.library.network import Network, Port
from foldnet.export.numpy_module import numpy_files
from foldnet.files.overwrite import MARK

if TYPE_CHECKING:
    from foldnet.export.library.targets import Target
    from foldnet.graph.graph import Node
    from foldnet.graph.op import Op

INIT = '''\
"""Predictions of the network @title@. @mark@.

    from @module@ import predict
    y = predict(@example@)

@shapes@

It needs NumPy. `engine` is "native" where the compiled library beside this file computes, and "numpy" where it cannot
be used; `level` names the features of the processor that it uses. The variable FOLDNET_LIBRARY_LEVEL sets another one.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._runtime import Network, Port

__version__ = @version@
__all__ = ["engine", "level", "predict"]

_network = Network(
    Path(__file__).parent,
    __name__,
    @prefix@,
    libraries=@libraries@,
    inputs=@inputs@,
    outputs=@outputs@,
    lengths=@lengths@,
    faults=@faults@,
    output_names=@output_names@,
    structure=@structure@,
)

engine: str = _network.engine
level: str | None = _network.level


def predict(x: Any, *others: Any) -> @returns@:
    """Predictions for rows of data.

    Args:
        x: @takes@
        others: the other inputs, if there are several and they do not come in one list or dict.

    Returns:
        @gives@

    Raises:
        ValueError: data of another shape or kind.
    """
    results: @returns@ = _network.predict(x, *others)
    return results
'''


def package_files(
    network: Network,
    libraries: Mapping[Target, bytes],
    faults: tuple[Node[Op], ...],
    module: str,
    version: str,
) -> dict[str, bytes]:
    """The files of the package by name, ``__init__.py`` last: until it is there, the others are not used.

    Args:
        network: that it computes.
        libraries: bytes of the library for each target.
        faults: nodes that can find fault with a row.
        module: what the package is imported as.
        version: of the package.
    """
    names = {target: f"{network.name}-{target.name}{target.ending}" for target in libraries}
    table = {
        target.name: (names[target], hashlib.sha256(data).hexdigest()) for target, data in libraries.items()
    }
    texts = {
        f"{network.name}.h": c_header(network, faults),
        "example.c": c_example(network),
        "_runtime.py": header(__file__, "runtime.py"),
        "py.typed": "",
    }
    files = {names[target]: data for target, data in libraries.items()}
    files |= numpy_files(network.plain, "_numpy")
    files |= {name: text.encode() for name, text in texts.items()}
    files["__init__.py"] = _init(network, table, faults, module, version).encode()
    return files


def _init(
    network: Network,
    table: Mapping[str, tuple[str, str]],
    faults: tuple[Node[Op], ...],
    module: str,
    version: str,
) -> str:
    graph = network.graph
    reasons = [n.op.refusal(n.layer, *(graph.types[v].shape for v in n.inputs)) for n in faults]
    many = len(network.outputs) > 1
    shapes = [f"{plain(p.value)}: {_shape(p)}" for p in network.inputs]
    arrays = [f"{_dtype(p)} of shape {_shape(p)}" for p in network.outputs]
    words = {
        "mark": MARK,
        "title": plain(network.name),
        "module": module,
        "example": "x" if len(network.inputs) == 1 else "[x, ...]",
        "shapes": "Inputs, shapes of their arrays:\n\n" + "\n".join(f"    {shape}" for shape in shapes),
        "version": repr(version),
        "prefix": repr(network.name),
        "libraries": _laid_out(dict(table)),
        "inputs": _ports(network, network.inputs, graph.inputs),
        "outputs": _ports(network, network.outputs, ()),
        "lengths": repr(list(network.lengths)),
        "faults": _laid_out(reasons),
        "output_names": _laid_out(network.output_names),
        "structure": _laid_out(network.output_structure),
        "returns": _returns(network, many),
        "takes": "an array"
        + (" for each input, in a list or in a dict by name." if len(shapes) > 1 else "-like."),
        "gives": (f"{'Arrays: ' if many else ''}{', '.join(arrays)}."),
    }
    return fill(INIT, words)


def _returns(network: Network, many: bool) -> str:
    array = f"NDArray[np.{_dtype(network.outputs[0])}]"
    if network.output_structure is not None:
        return "Any"
    if network.output_names is not None:
        return "dict[str, NDArray[Any]]"
    return "list[NDArray[Any]]" if many else array


def _dtype(port: Port) -> str:
    return "int32" if port.type == "int32_t" else "float32"


def _shape(port: Port) -> str:
    return "(" + ", ".join(["rows", *("any" if n is None else str(n) for n in port.shape)]) + ")"


def _ports(network: Network, ports: tuple[Port, ...], values: tuple[str, ...]) -> str:
    lines = []
    for number, port in enumerate(ports):
        texts = network.graph.texts.get(values[number]) if values else None
        known = "" if texts is None else f", ({texts.known!a}, {texts.bins})"
        lines.append(f"        Port({port.value!a}, {_dtype(port)!r}, {port.shape!r}{known}),")
    return "\n".join(["[", *lines, "    ]"])


def _laid_out(value: object) -> str:
    text = pformat(value, width=100, sort_dicts=False)
    # What comes from a file is escaped, so that the module is plain ASCII.
    return ascii(value) if not text.isascii() else text.replace("\n", "\n    ")
