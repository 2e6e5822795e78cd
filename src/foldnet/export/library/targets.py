"""The systems and processors that a library can be made for."""

from __future__ import annotations

import platform
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from foldnet.errors import ConfigError

HOST = "host"
"""The name of this machine among the targets."""


@dataclass(frozen=True)
class Level:
    """Features of a processor that a part of the library is compiled for.

    Attributes:
        name: as ``FOLDNET_LIBRARY_LEVEL`` takes it, and C names have it at their end.
        simd: floats in a vector register.
        options: for the compiler.
    """

    name: str
    simd: int
    options: tuple[str, ...] = ()


AVX2 = ("-mavx2", "-mfma")
AVX512 = (*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")

BASELINE = (Level("baseline", 4),)
X86_LEVELS = (*BASELINE, Level("avx2", 8, AVX2), Level("avx512", 16, AVX512))

GLIBC = ("-nostdlib", "-lc", "-lm", "-lpthread", "-Wl,-z,defs")
"""All that a library for Linux needs. Left to itself, zig would first compile what nothing calls, for 20 seconds."""


@dataclass(frozen=True)
class Target:
    """What one library is made for.

    Attributes:
        name: such as ``x86_64-linux``: the processor as the C compiler names it, and the system.
        ending: of the library's file.
        levels: which of them it has, the lowest first.
        zig: what zig calls it; None for this machine, whose own compiler makes it.
        wheel_tags: the platforms of a wheel; none if they depend on what the compiler made.
        has_threads: whether there are POSIX threads.
        linking: options for linking.
    """

    name: str
    ending: str
    levels: tuple[Level, ...]
    zig: str | None
    wheel_tags: tuple[str, ...] = ()
    has_threads: bool = True
    linking: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """For the compiler, besides those of a level."""
        return () if self.zig is None else ("-target", self.zig)


OTHERS = {
    target.name: target
    for target in (
        Target(
            "x86_64-linux", ".so", X86_LEVELS, "x86_64-linux-gnu.2.17",
            ("manylinux_2_17_x86_64", "manylinux2014_x86_64"), linking=GLIBC,
        ),
        Target(
            "aarch64-linux", ".so", BASELINE, "aarch64-linux-gnu.2.17",
            ("manylinux_2_17_aarch64", "manylinux2014_aarch64"), linking=GLIBC,
        ),
        Target("x86_64-windows", ".dll", X86_LEVELS, "x86_64-windows-gnu", ("win_amd64",), has_threads=False),
        Target("aarch64-macos", ".dylib", BASELINE, "aarch64-macos.11.0", ("macosx_11_0_arm64",)),
    )
}  # fmt: skip
"""What zig makes on any machine."""

_SYSTEMS = {"linux": ("linux", ".so"), "darwin": ("macos", ".dylib"), "win32": ("windows", ".dll")}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def host() -> Target:
    """This machine, by its own compiler.

    Raises:
        ConfigError: numbers have the other order of bytes, or the system is none of those that are known.
    """
    machine = platform.machine().lower()
    if sys.platform not in _SYSTEMS or sys.byteorder != "little":
        raise ConfigError(
            f"the target 'host' is {machine} on {sys.platform}, for which foldnet writes no library; name another "
            f"target: {', '.join(OTHERS)}"
        )
    system, ending = _SYSTEMS[sys.platform]
    machine = _MACHINES.get(machine, machine)
    levels = X86_LEVELS if machine == "x86_64" else BASELINE
    return Target(f"{machine}-{system}", ending, levels, None, (), system != "windows")


def targets_named(names: Sequence[str], *more: str) -> list[Target]:
    """The targets of these names, each once. One that is named and is this machine, too, is made by zig.

    Args:
        names: of targets.
        more: names that the caller knows besides, and leaves out here.

    Raises:
        ConfigError: no names, one of something else, or a text instead of a list.
    """
    known = [HOST, *OTHERS, *more]
    if not isinstance(names, Collection) or isinstance(names, str) or not names:
        raise ConfigError(f"targets is {names!r}; give a list of some of {', '.join(known)}")
    found: dict[str, Target] = {}
    for name in names:
        if name != HOST and name not in OTHERS:
            raise ConfigError(f"there is no target {name!r}; there are {', '.join(known)}")
        target = host() if name == HOST else OTHERS[name]
        if target.zig is not None or target.name not in found:
            found[target.name] = target
    return list(found.values())
