"""``to_library`` and ``to_wheel``: compile a network for some targets, and write the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foldnet.codegen.names import identifier
from foldnet.export.files import write_files
from foldnet.export.library.build import build, compiler_for
from foldnet.export.library.c_code import library_code
from foldnet.export.library.importing import check_importable
from foldnet.export.library.network import Network, network_of
from foldnet.export.library.package import package_files
from foldnet.export.library.targets import HOST, Target, targets_named
from foldnet.export.zig import workshop
from foldnet.files.overwrite import is_ours, refuse_foreign

if TYPE_CHECKING:
    from os import PathLike

    from foldnet.graph.graph import Graph, Node
    from foldnet.graph.op import Op
    from foldnet.predictor import Predictor

LIBRARIES = (".so", ".dll", ".dylib")


def to_library(
    source: Graph | Predictor,
    directory: str | PathLike[str],
    *,
    targets: Sequence[str] = (HOST,),
    name: str | None = None,
    input_shapes: Sequence[Sequence[int]] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a frozen network as a Python package with compiled libraries, which needs NumPy and no compiler.

    The directory can be imported (``from wine_lib import predict``). It has a shared library for each target, a C
    header, an example in C, and a NumPy module that computes where no library can be used.

    Args:
        source: a Predictor or a Graph.
        directory: to write into; created if missing. Other files in it are not changed.
        targets: some of ``"host"`` (this machine, by its own compiler), ``"x86_64-linux"``, ``"aarch64-linux"`` (both
            for glibc 2.17 or newer), ``"x86_64-windows"`` and ``"aarch64-macos"`` (by zig, extra
            ``foldnet[compiler]``).
        name: prefix of every C name; by default the directory's name.
        input_shapes: shape of a row of each input; by default free axes stay free.
        overwrite: whether to overwrite files that no export wrote.

    Returns:
        The files written.

    Raises:
        ConfigError: an unknown target, a directory whose name Python cannot import or has a module of, or a predictor
            that computes in float64.
        CompileError: no compiler for a target, or it failed.
        UnsupportedError: an activation is the caller's own function, or a size must be known.
        FileExistsError: a file of one of these names exists, no export wrote it, and ``overwrite`` is False.

    Example:
        >>> import foldnet, tempfile
        >>> from foldnet.layers import Dense, Input
        >>> predict = foldnet.freeze(foldnet.models.Sequential([Input((3,)), Dense(2)]))
        >>> folder = tempfile.mkdtemp() + "/wine_lib"
        >>> files = predict.to_library(folder)
        >>> sorted(path.name for path in files if path.suffix == ".h")
        ['wine_lib.h']
    """
    directory = Path(directory)
    wanted = targets_named(targets)
    module = directory.resolve().name
    check_importable(module, f"the folder is {str(directory)!r}")
    stem = name if name is not None else module
    network = network_of(source, identifier(stem, "network"), input_shapes)
    libraries, faults = compiled(network, wanted)
    texts = package_files(network, libraries, faults, module, "0")
    files = {directory / file: content for file, content in texts.items()}
    _refuse_foreign(directory, files, overwrite)
    directory.mkdir(parents=True, exist_ok=True)
    write_files(files, overwrite=True)
    return list(files)


def compiled(network: Network, targets: Sequence[Target]) -> tuple[dict[Target, bytes], tuple[Node[Op], ...]]:
    """The library for each target, and the nodes that can find fault with a row."""
    for target in targets:
        compiler_for(target)  # missing ones are found before anything is compiled
    libraries: dict[Target, bytes] = {}
    faults: tuple[Node[Op], ...] = ()
    with workshop() as shop:
        for target in targets:
            code = library_code(network, target)
            libraries[target], faults = build(code, target, shop), code.faults
    return libraries, faults


def _refuse_foreign(directory: Path, files: dict[Path, bytes], overwrite: bool) -> None:
    """Refuse files that no export wrote. A library has no mark: it is ours if our module beside it names it."""
    module = directory / "__init__.py"
    ours = module.read_text("utf-8") if module.is_file() and is_ours(module) else ""
    for path in files:
        named = path.name == "py.typed" or (path.suffix in LIBRARIES and repr(path.name) in ours)
        refuse_foreign(path, overwrite=overwrite or (bool(ours) and named))
