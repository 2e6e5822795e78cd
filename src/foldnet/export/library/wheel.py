"""Wheels of a network's package: zip files that pip installs, the same bytes for the same input.

The format is that of the Python packaging specifications: binary distributions, core metadata, and recording installed
projects; platform tags are those of PEP 600.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sysconfig
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foldnet.errors import ConfigError
from foldnet.export.files import write_files
from foldnet.export.library.elf import glibc_needed
from foldnet.export.library.importing import check_importable
from foldnet.export.library.network import network_of
from foldnet.export.library.package import package_files
from foldnet.export.library.targets import HOST, Target, targets_named
from foldnet.export.library.write import compiled
from foldnet.files.overwrite import MARK

if TYPE_CHECKING:
    from os import PathLike

    from foldnet.graph.graph import Graph
    from foldnet.predictor import Predictor

ANY = "any"
"""The target of a wheel without a library, for all systems: NumPy computes."""

_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.I)
_NUMBER = "(?:0|[1-9][0-9]*)"
_VERSION = re.compile(
    rf"(?:[1-9][0-9]*!)?{_NUMBER}(?:\.{_NUMBER})*(?:(?:a|b|rc){_NUMBER})?(?:\.post{_NUMBER})?(?:\.dev{_NUMBER})?"
    r"(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?"
)
"""Versions in the normal form of PEP 440, so that a file is named as its version is written."""


@dataclass(frozen=True)
class Project:
    """What a wheel is called.

    Attributes:
        name: as given, for people.
        version: in normal form.
        summary: one line.
    """

    name: str
    version: str
    summary: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"name is {self.name!r}; the name of a wheel has letters, digits, '-', '_' and '.', and begins and "
                "ends with a letter or digit"
            )
        check_importable(self.module, f"name is {self.name!r}")
        if not isinstance(self.version, str) or not _VERSION.fullmatch(self.version):
            raise ConfigError(
                f"version is {self.version!r}; write it in the normal form of PEP 440, such as 1.0, 1.0.2, 2.0rc1 or "
                "1.0.post1"
            )
        if not isinstance(self.summary, str) or not self.summary.isprintable():
            raise ConfigError(f"summary is {self.summary!r}; it must be one line of text")

    @property
    def module(self) -> str:
        """What it is imported as: the normal form of its name, with underscores."""
        return re.sub(r"[-_.]+", "_", self.name).lower()


def to_wheel(
    source: Graph | Predictor,
    directory: str | PathLike[str],
    *,
    name: str,
    version: str,
    targets: Sequence[str] = (HOST,),
    summary: str = "Predictions of a neural network",
    input_shapes: Sequence[Sequence[int]] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a frozen network as wheels, one for each target, which need NumPy and neither foldnet nor a compiler.

    After ``pip install``, ``from name import predict``. The same network, name, version and compiler give the same
    bytes.

    Args:
        source: a Predictor or a Graph.
        directory: to write into; created if missing.
        name: of the project, such as ``"wine-model"``; it is imported as ``wine_model``.
        version: in the normal form of PEP 440, such as ``"1.0"``.
        targets: as for ``to_library``, and ``"any"``: no library, NumPy computes, on any system.
        summary: one line for the metadata.
        input_shapes: shape of a row of each input; by default free axes stay free.
        overwrite: whether to overwrite files that no export wrote.

    Returns:
        The wheels.

    Raises:
        ConfigError: a name or version that wheels cannot have, or an unknown target.
        CompileError, UnsupportedError, FileExistsError: as ``to_library`` does.

    Example:
        >>> import foldnet, tempfile
        >>> from foldnet.layers import Dense, Input
        >>> predict = foldnet.freeze(foldnet.models.Sequential([Input((3,)), Dense(2)]))
        >>> predict.to_wheel(tempfile.mkdtemp(), name="wine-model", version="1.0", targets=["any"])[0].name
        'wine_model-1.0-py3-none-any.whl'
    """
    directory = Path(directory)
    project = Project(name, version, summary)
    has_any = isinstance(targets, Collection) and not isinstance(targets, str) and ANY in targets
    known = targets if not has_any else [t for t in targets if t != ANY]
    wanted = [] if has_any and not known else targets_named(known, ANY)
    network = network_of(source, project.module, input_shapes)
    libraries, faults = compiled(network, wanted)
    files: dict[Path, bytes] = {}
    for target, library in libraries.items():
        content = package_files(network, {target: library}, faults, project.module, version)
        tags = target.wheel_tags or (host_tag(target, library),)
        files |= {directory / file: data for file, data in [_wheel(project, content, tags)]}
    if has_any:
        content = package_files(network, {}, faults, project.module, version)
        files |= {directory / file: data for file, data in [_wheel(project, content, (ANY,))]}
    directory.mkdir(parents=True, exist_ok=True)
    write_files(files, overwrite=overwrite)
    return list(files)


def host_tag(target: Target, library: bytes) -> str:
    """The platform of a library that this machine's compiler made: the oldest glibc that has all it needs.

    Args:
        target: this machine.
        library: bytes of the library.
    """
    glibc = glibc_needed(library) if target.ending == ".so" and _has_glibc() else None
    if glibc is not None:
        # PEP 600 names releases of glibc; 2.17 is the oldest that pip still looks for on all processors.
        major, minor = max(glibc, (2, 17))
        return f"manylinux_{major}_{minor}_{target.name.partition('-')[0]}"
    return re.sub(r"[^a-z0-9]+", "_", sysconfig.get_platform().lower())


def _has_glibc() -> bool:
    import platform

    return platform.libc_ver()[0] == "glibc"


def _wheel(project: Project, content: Mapping[str, bytes], tags: Sequence[str]) -> tuple[str, bytes]:
    """Name and bytes of a wheel."""
    stem = f"{project.module}-{project.version}"
    info = f"{stem}.dist-info"
    files = {f"{project.module}/{name}": data for name, data in sorted(content.items())}
    files[f"{info}/METADATA"] = _metadata(project).encode()
    files[f"{info}/WHEEL"] = _description(tags).encode()
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = MARK.encode()
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # its time is the first that a zip file can have
            entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return f"{stem}-py3-none-{'.'.join(tags)}.whl", buffer.getvalue()


def _metadata(project: Project) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project.name}",
        f"Version: {project.version}",
        f"Summary: {project.summary}",
        "Requires-Python: >=3.11",
        "Requires-Dist: numpy>=1.26",
    ]
    return "\n".join(lines) + "\n"


def _description(tags: Sequence[str]) -> str:
    # A library in a package belongs where the platform's own modules are installed.
    lines = [
        "Wheel-Version: 1.0",
        "Generator: foldnet",
        f"Root-Is-Purelib: {'true' if ANY in tags else 'false'}",
    ]
    return "\n".join([*lines, *(f"Tag: py3-none-{tag}" for tag in tags)]) + "\n"


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
