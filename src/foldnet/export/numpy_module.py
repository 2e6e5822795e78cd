"""A network as one readable Python file that needs NumPy and nothing else."""

from __future__ import annotations

import hashlib
import io
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from foldnet.export.files import MARK, write_files
from foldnet.export.literals import assignment
from foldnet.export.names import identifier, plain
from foldnet.export.numpy_helpers import HELPERS, with_needed
from foldnet.export.numpy_steps import Steps, steps_of
from foldnet.graph import ops
from foldnet.graph.graph import Graph
from foldnet.graph.ops import Shape

Array = np.ndarray[Any, Any]

INLINE_VALUES = 5_000
"""The most weight values that ``weights="auto"`` writes into the file itself."""


def to_numpy(source: Any, path: Any, *, unfolded: bool = False, weights: str = "auto") -> list[Path]:
    """Write a frozen network as one Python file, NumPy only, with a line for each step.

    The file defines ``predict``, and run as a program reads rows of CSV and prints predictions.

    Args:
        source: a Predictor or a Graph.
        path: of the file to write, such as ``"wine_predict.py"``.
        unfolded: write every layer as it stands in the network, BatchNormalization with its own four vectors;
            otherwise what is left after folding. Only a Predictor has both.
        weights: ``"inline"`` writes the numbers into the file, ``"npz"`` into a file of the same name beside
            it, ``"auto"`` chooses by their count.

    Returns:
        The files written.

    Raises:
        UnsupportedError: an activation that is the caller's own Python function.
        FileExistsError: a file of that name exists and no export wrote it.
        ValueError: another word for ``weights``.
    """
    if weights not in ("auto", "inline", "npz"):
        raise ValueError(f'weights is "auto", "inline" or "npz", not {weights!r}')
    path = Path(path)
    graph = source if isinstance(source, Graph) else source.unfolded if unfolded else source.graph
    steps = steps_of(graph)
    if weights == "auto":
        weights = "inline" if sum(w.size for w in steps.weights.values()) <= INLINE_VALUES else "npz"
    if weights == "inline":
        files = {path: _text(graph, steps, path, None).encode()}
    else:
        fingerprint = _fingerprint(steps)
        beside = path.with_suffix(".npz")
        if beside == path:
            raise ValueError(f"{str(path)!r} is the name of the weights' file; give the program another, such as .py")
        files = {
            beside: _npz(steps, fingerprint),
            path: _text(graph, steps, path, fingerprint).encode(),
        }
    write_files(files)
    return list(files)


def numpy_source(graph: Graph, name: str = "network") -> str:
    """The text of the Python file for a graph, weights inside.

    Args:
        graph: folded or as lowered.
        name: of the file, without its ending.
    """
    return _text(graph, steps_of(graph), Path(f"{name}.py"), None)


def _fingerprint(steps: Steps) -> str:
    digest = hashlib.sha256()
    for name, array in steps.weights.items():
        digest.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]


def _npz(steps: Steps, fingerprint: str) -> bytes:
    file = io.BytesIO()
    np.savez(file, written_by=np.array(MARK.encode()), fingerprint=np.array(fingerprint), **steps.weights)
    return file.getvalue()


# -- the text -------------------------------------------------------------------------------------------------


def _text(graph: Graph, steps: Steps, path: Path, fingerprint: str | None) -> str:
    inputs = [graph.types[v] for v in graph.inputs]
    free = sum(n is None for t in inputs for n in t.shape[1:])
    runs = free == 0 or (free == 1 and len(inputs) == 1)
    helpers = [HELPERS[name] for name in with_needed(steps.helpers)]
    body = "\n".join([*steps_text(steps), *helpers])
    modules = ["math"] if "math." in body else []
    modules += ["sys"] if runs else []
    parts = [
        _docstring(graph, steps, path, runs),
        "\n".join(
            [f"import {m}" for m in modules]
            + (["from pathlib import Path"] if fingerprint is not None else [])
            + [*([""] if modules or fingerprint is not None else []), "import numpy as np"]
        ),
        _weights_text(steps, path, fingerprint),
    ]
    functions = [_AS_ROWS, *helpers, _predict(graph, steps)]
    functions += [_main(graph)] if runs else []
    return "\n\n".join(p for p in parts if p) + "\n\n\n" + "\n\n\n".join(functions) + "\n"


def shape_text(shape: Shape) -> str:
    """A shape with its batch axis, in words: ``(rows, 10)``."""
    sizes = ["rows", *("any" if n is None else str(n) for n in shape[1:])]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _docstring(graph: Graph, steps: Steps, path: Path, runs: bool) -> str:
    stem = plain(path.stem)
    takes = ", ".join(f"{p} {shape_text(graph.types[v].shape)}" for p, v in zip(steps.parameters, graph.inputs, strict=True))
    gives = ", ".join(shape_text(graph.types[v].shape) for v in graph.outputs)
    names = [plain(layer.path) for layer in steps.layers]
    wide = max((len(n) for n in names), default=0)
    shapes = [shape_text(layer.shape) for layer in steps.layers]
    tall = max((len(s) for s in shapes), default=0)
    table = [
        f"    {n:{wide}}  {s:{tall}}  {plain(', '.join(dict.fromkeys(layer.kinds)))}"
        for n, s, layer in zip(names, shapes, steps.layers, strict=True)
    ]
    module = identifier(path.stem, "network")
    call = f"from {module} import predict" if module == path.stem else "predict"
    lines = [
        f'"""The network {stem} as plain NumPy.', "",
        f"    {call}" if call != "predict" else "    # import this file under a name of your choice",
        f"    y = predict({', '.join(steps.parameters)})", "",
        f"takes {takes} and gives {gives}.",
        *(["As a program it reads rows of CSV and prints predictions:", "",
           f"    python {plain(path.name)} < rows.csv"] if runs else []),
        "", "Layers, the shape of what each gives, and what it does:", "", *table, "",
        f'{MARK}; needs NumPy alone.', '"""',
    ]
    return "\n".join(line.rstrip() for line in lines)


def _weights_text(steps: Steps, path: Path, fingerprint: str | None) -> str:
    if fingerprint is None or not steps.weights:
        return "\n".join(assignment(name, array) for name, array in steps.weights.items())
    beside = path.with_suffix(".npz").name
    lines = [
        f"with np.load(Path(__file__).with_name({ascii(beside)}), allow_pickle=False) as weights:",
        f'    if str(weights["fingerprint"]) != "{fingerprint}":',
        f'        raise ValueError({ascii(f"{beside} holds the weights of another export; write both files anew")})',
        *(f'    {name} = weights["{name}"]  # {array.shape}' for name, array in steps.weights.items()),
    ]
    return "\n".join(lines)


_AS_ROWS = '''
def as_rows(x, shape, name, dtype=np.float32):
    """The data as an array of rows of this shape (None is any size); one row alone is made a batch of one."""
    x = np.asarray(x, dtype=dtype)
    if x.ndim == len(shape):
        x = x[np.newaxis]
    fits = x.ndim == len(shape) + 1 and all(n in (None, m) for n, m in zip(shape, x.shape[1:]))
    if not fits:
        sizes = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {x.shape}, expected (rows, {sizes})")
    return x
'''.strip()


def steps_text(steps: Steps) -> list[str]:
    """The body of ``predict``: for each layer a comment and its lines."""
    lines: list[str] = []
    for layer in steps.layers:
        note = "" if layer.lines else ": nothing at prediction time"
        lines += ["", f"    # {plain(layer.path)}{note}", *(f"    {line}" for line in layer.lines)]
    return lines


def _predict(graph: Graph, steps: Steps) -> str:
    lines = [
        '@np.errstate(all="ignore")  # infinities and NaN pass through without warnings',
        f"def predict({', '.join(steps.parameters)}):",
        '    """Predictions for rows of data.',
        "",
        "    Args:",
    ]
    for name, value in zip(steps.parameters, graph.inputs, strict=True):
        kind = graph.types[value]
        lines.append(f"        {name}: {'whole numbers' if kind.dtype == ops.INT else 'numbers'} of shape "
                     f"{shape_text(kind.shape)}, or one row without its first axis.")
    shapes = [shape_text(graph.types[v].shape) for v in graph.outputs]
    kinds = ["int32" if graph.types[v].dtype == ops.INT else "float32" for v in graph.outputs]
    given = [f"{kind} of shape {shape}" for kind, shape in zip(kinds, shapes, strict=True)]
    lines += ["", "    Returns:"]
    lines += [f"        {given[0]}."] if len(given) == 1 else [
        "        A list of arrays:", *(f"        {g}{',' if g is not given[-1] else '.'}" for g in given)
    ]
    lines.append('    """')
    for name, value in zip(steps.parameters, graph.inputs, strict=True):
        kind = graph.types[value]
        dtype = ", np.int32" if kind.dtype == ops.INT else ""
        lines.append(f'    {name} = as_rows({name}, {kind.shape[1:]}, "{name}"{dtype})')
    if len(steps.parameters) > 1:
        lengths = ", ".join(f"len({name})" for name in steps.parameters)
        lines += [
            f"    if len({{{lengths}}}) != 1:",
            f'        raise ValueError(f"the inputs have different numbers of rows: {{[{lengths}]}}")',
        ]
    lines += steps_text(steps)
    results = ", ".join(steps.results)
    lines += ["", f"    return {results}" if len(steps.results) == 1 else f"    return [{results}]"]
    return "\n".join(lines)



_READ_ROWS = '''
def read_rows(file, width=None):
    \"\"\"Rows of comma-separated numbers, all of one width; a first line of names is passed over.\"\"\"
    rows = []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = [float(cell) for cell in line.split(",")]
        except ValueError:
            if number == 1:
                continue
            sys.exit(f"line {number} is not a row of numbers: {line.strip()!r}")
        width = width or len(row)
        if len(row) != width:
            sys.exit(f"line {number} has {len(row)} numbers, expected {width}")
        rows.append(row)
    return np.array(rows)
'''.strip()


def _main(graph: Graph) -> str:
    # Several inputs stand side by side in a line, each flattened; so do several outputs.
    shapes = [graph.types[v].shape[1:] for v in graph.inputs]
    is_free = any(None in shape for shape in shapes)
    widths = [prod(n for n in shape if n is not None) for shape in shapes]
    arguments, start = [], 0
    for shape, width in zip(shapes, widths, strict=True):
        part = "rows" if len(shapes) == 1 else f"rows[:, {start}:{start + width}]"
        sizes = ["-1" if n is None else str(n) for n in shape]
        arguments.append(part if len(shape) == 1 else f"{part}.reshape({', '.join(['len(rows)', *sizes])})")
        start += width
    width_text = "" if is_free else f", {sum(widths)}"
    parts = "predict({})".format(", ".join(arguments))
    lines = [
        "def main(arguments):",
        '    \"\"\"Print a prediction for each row of CSV in a file, or else in standard input.\"\"\"',
        "    if arguments:",
        '        with open(arguments[0], encoding="utf-8") as file:',
        f"            rows = read_rows(file{width_text})",
        "    else:",
        f"        rows = read_rows(sys.stdin{width_text})",
        "    if len(rows) == 0:",
        '        sys.exit("no rows to predict")',
        f"    y = {parts}" if len(graph.outputs) == 1
        else f"    y = np.hstack([part.reshape(len(rows), -1) for part in {parts}])",
        f"    for row in y{'.reshape(len(rows), -1)' if len(graph.outputs) == 1 and len(graph.types[graph.outputs[0]].shape) != 2 else ''}:",
        '        print(",".join(str(value) for value in row))',
    ]
    end = 'if __name__ == "__main__":\n    main(sys.argv[1:])'
    return "\n\n\n".join([_READ_ROWS, "\n".join(lines), end])
