"""A network as one readable Python file that needs NumPy and nothing else."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from foldnet.codegen.literals import assignment
from foldnet.codegen.names import identifier, plain
from foldnet.errors import ConfigError
from foldnet.export.files import write_files
from foldnet.export.numpy_helpers import AS_ROWS, HELPERS, with_needed
from foldnet.export.numpy_main import can_run, main_text
from foldnet.export.numpy_steps import Steps, steps_of
from foldnet.files.overwrite import MARK
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT, Shape
from foldnet.literals import member

if TYPE_CHECKING:
    from os import PathLike

    from foldnet.predictor import Predictor

WeightsPlace = Literal["auto", "inline", "npz"]

INLINE_VALUES = 5_000
"""The largest number of weight values that ``weights="auto"`` writes into the file itself."""


def to_numpy(
    source: Graph | Predictor,
    path: str | PathLike[str],
    *,
    unfolded: bool = False,
    weights: str = "auto",
    overwrite: bool = False,
) -> list[Path]:
    """Write a frozen network as one Python file, NumPy only, with a line for each step.

    The file defines ``predict``; run as a program it reads rows of CSV and prints predictions.

    Args:
        source: a Predictor or a Graph.
        path: of the file to write, such as ``"wine_predict.py"``.
        unfolded: write every layer of the network, BatchNormalization with its own four vectors; otherwise the folded
            network. Only a Predictor has both.
        weights: ``"inline"`` writes the numbers into the file, ``"npz"`` into a separate file with the same name,
            ``"auto"`` chooses by their count.
        overwrite: whether to overwrite files that no export wrote.

    Returns:
        The files written.

    Raises:
        UnsupportedError: an activation is the caller's own Python function.
        FileExistsError: a file of that name exists, no export wrote it, and ``overwrite`` is False.
        ConfigError: another value of ``weights``, or a ``path`` that ends in ``.npz``.
    """
    place: WeightsPlace | None = member(weights, get_args(WeightsPlace))
    if place is None:
        raise ConfigError(f'weights must be "auto", "inline" or "npz", not {weights!r}')
    path = Path(path)
    if path.suffix == ".npz":
        raise ConfigError(
            f"{str(path)!r} names a file of weights; give the program's own name, ending in .py"
        )
    graph = source if isinstance(source, Graph) else source.unfolded if unfolded else source.graph
    files = {
        path.with_name(name): data for name, data in numpy_files(graph, path.stem, path.suffix, place).items()
    }
    write_files(files, overwrite=overwrite)
    return list(files)


def numpy_files(
    graph: Graph, stem: str, suffix: str = ".py", place: WeightsPlace = "auto"
) -> dict[str, bytes]:
    """The Python file for a graph, and the file of its weights if there is one, by name.

    Args:
        graph: folded or as lowered.
        stem: of the file's name.
        suffix: of the file's name.
        place: of the weights; see ``to_numpy``.
    """
    steps, path = steps_of(graph), Path(f"{stem}{suffix}")
    if place == "auto":
        place = "inline" if sum(w.size for w in steps.weights.values()) <= INLINE_VALUES else "npz"
    files = {}
    if place == "npz":
        files[path.with_suffix(".npz").name] = _npz(steps)
    files[path.name] = _text(graph, steps, path, inline=place == "inline").encode()
    return files


def numpy_source(graph: Graph, name: str = "network") -> str:
    """The text of the Python file for a graph, weights inside.

    Args:
        graph: folded or as lowered.
        name: of the file, without its ending.
    """
    return _text(graph, steps_of(graph), Path(f"{name}.py"), inline=True)


# -- weights --


def _fingerprint(steps: Steps) -> str:
    digest = hashlib.sha256()
    for name, array in steps.weights.items():
        digest.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]


def _npz(steps: Steps) -> bytes:
    arrays: dict[str, Any] = {
        "written_by": MARK.encode(),
        "fingerprint": _fingerprint(steps),
        **steps.weights,
    }
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _inline_weights(steps: Steps) -> str:
    return "\n".join(assignment(name, array) for name, array in steps.weights.items())


def _loaded_weights(steps: Steps, name: str) -> str:
    # The fingerprint detects weights of another export.
    problem = f"{name} holds the weights of another export; write both files again"
    lines = [
        f"with np.load(Path(__file__).with_name({name!a}), allow_pickle=False) as weights:",
        f'    if str(weights["fingerprint"]) != "{_fingerprint(steps)}":',
        f"        raise ValueError({problem!a})",
        *(f'    {name} = weights["{name}"]  # {array.shape}' for name, array in steps.weights.items()),
    ]
    return "\n".join(lines)


# -- the text --


def _text(graph: Graph, steps: Steps, path: Path, *, inline: bool) -> str:
    is_int = any(graph.types[v].dtype == INT and v not in graph.texts for v in graph.inputs)
    needed = steps.helpers | ({"whole_numbers"} if is_int else set())
    needed |= {"text_codes"} if graph.texts else set()
    sections = [
        _predict(graph, steps),
        AS_ROWS,
        *(HELPERS[name] for name in with_needed(needed)),
        _inline_weights(steps) if inline else _loaded_weights(steps, path.with_suffix(".npz").name),
        _known_texts(graph, steps),
        main_text(graph) if can_run(graph) else "",
    ]
    code = "\n\n\n".join(s for s in sections if s)
    imports = [f"import {module}" for module in ("math", "sys") if f"{module}." in code]
    imports += [] if inline else ["from pathlib import Path"]
    head = [_docstring(graph, steps, path), "\n".join(imports), "import numpy as np"]
    return "\n\n".join(h for h in head if h) + "\n\n\n" + code + "\n"


def shape_text(shape: Shape) -> str:
    """A shape with its batch axis, as text.

    >>> shape_text((None, 10)), shape_text((None, None, 3))
    ('(rows, 10)', '(rows, any, 3)')
    """
    sizes = ["rows", *("any" if n is None else str(n) for n in shape[1:])]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _docstring(graph: Graph, steps: Steps, path: Path) -> str:
    module = identifier(path.stem, "network")
    call = (
        f"from {module} import predict" if module == path.stem else "# under a name that Python can import:"
    )
    shapes = {v: shape_text(graph.types[v].shape) for v in (*graph.inputs, *graph.outputs)}
    takes = [f"{p} {shapes[v]}" for p, v in zip(steps.parameters, graph.inputs, strict=True)]
    lines = [
        f'"""The network {plain(path.stem)} as plain NumPy.',
        "",
        f"{MARK}; needs only NumPy.",
        "",
        f"    {call}",
        f"    y = predict({', '.join(steps.parameters)})",
        "",
        f"It takes {', '.join(takes)} and gives {', '.join(shapes[v] for v in graph.outputs)}.",
    ]
    if can_run(graph):
        lines += ["As a program it reads rows of CSV and prints predictions:", ""]
        lines += [f"    python {plain(path.name)} < rows.csv"]
    lines += ["", "Layers, the shape of what each gives, and what it does:", "", *_table(steps), '"""']
    return "\n".join(line.rstrip() for line in lines)


def _table(steps: Steps) -> list[str]:
    columns = [(plain(layer.path), shape_text(layer.shape), layer.kinds) for layer in steps.layers]
    wide = max((len(name) for name, _, _ in columns), default=0)
    tall = max((len(shape) for _, shape, _ in columns), default=0)
    return [
        f"    {name:{wide}}  {shape:{tall}}  {plain(', '.join(dict.fromkeys(kinds)))}"
        for name, shape, kinds in columns
    ]


def _known_texts(graph: Graph, steps: Steps) -> str:
    """The texts that the network knows of each input, in the order of their codes."""
    return "\n".join(f"{name} = {list(graph.texts[value].known)!a}" for value, name in steps.texts.items())


def _predict(graph: Graph, steps: Steps) -> str:
    types = [graph.types[v] for v in graph.inputs]
    results = [graph.types[v] for v in graph.outputs]
    lines = [
        '@np.errstate(all="ignore")  # infinities and NaN give no warnings',
        f"def predict({', '.join(steps.parameters)}):",
        '    """Predictions for rows of data.',
        "",
        "    Args:",
    ]
    for name, value, kind in zip(steps.parameters, graph.inputs, types, strict=True):
        numbers = "texts" if value in graph.texts else "whole numbers" if kind.dtype == INT else "numbers"
        lines.append(
            f"        {name}: {numbers} of shape {shape_text(kind.shape)}; one row may lack its first axis."
        )
    given = [f"{'int32' if t.dtype == INT else 'float32'} of shape {shape_text(t.shape)}" for t in results]
    lines += ["", "    Returns:", f"        {given[0]}." if len(given) == 1 else "        A list of arrays:"]
    lines += [f"        - {text}" for text in given if len(given) > 1]
    lines.append('    """')
    for name, value, kind in zip(steps.parameters, graph.inputs, types, strict=True):
        if value in graph.texts:
            rows = f'as_rows({name}, {kind.shape[1:]}, "{name}", dtype=object)'
            known, bins = steps.texts[value], graph.texts[value].bins
            lines.append(f'    {name} = text_codes({rows}, "{name}", {known}, {bins})')
        elif kind.dtype == INT:
            rows = f'as_rows({name}, {kind.shape[1:]}, "{name}", dtype=None)'
            lines.append(f'    {name} = whole_numbers({rows}, "{name}")')
        else:
            lines.append(f'    {name} = as_rows({name}, {kind.shape[1:]}, "{name}")')
    if len(types) > 1:
        lengths = ", ".join(f"len({name})" for name in steps.parameters)
        lines.append(f"    if len({{{lengths}}}) != 1:")
        lines.append(f'        raise ValueError(f"the inputs have {{[{lengths}]}} rows; give each as many")')
    for layer in steps.layers:
        note = "" if layer.lines else ": nothing at prediction time"
        lines += ["", f"    # {plain(layer.path)}{note}", *(f"    {line}" for line in layer.lines)]
    joined = ", ".join(steps.results)
    lines += ["", f"    return {joined}" if len(steps.results) == 1 else f"    return [{joined}]"]
    return "\n".join(lines)
