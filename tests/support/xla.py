"""What XLA compiled of real Keras, kept from run to run: JAX has a cache for that, which is not whole after a crash.

And less work for each program that JAX compiles.
"""

import functools
import os
import platform
import threading
from pathlib import Path

from tests.support import kept

KINDS = (
    "vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU implementer", "CPU part", "CPU variant",
)  # fmt: skip


USES = 200
"""Programs that are written in one context: it keeps numbers of all of them."""


def share_contexts():
    """Let JAX, which has been imported, write many programs in one context of MLIR.

    It makes one for each program, and Keras outside of a fit is a program for each operation: a fifth of their time.
    """
    from jax._src.interpreters import mlir

    make = mlir.make_ir_context
    if getattr(make, "shared", False):
        return
    own = threading.local()  # only one thread may write in a context

    def shared_context():
        own.uses = getattr(own, "uses", 0) + 1
        if own.uses % USES == 1:
            own.context = make()
        return own.context

    shared_context.shared = True
    mlir.make_ir_context = shared_context


class StoreForJax(kept.Store):
    """With what JAX shows where it notes what it does."""

    def __init__(self, path):
        super().__init__(Path(path))
        self._path = path


def keep():
    """Let JAX, which has been imported, take from there what it would compile."""
    store = kept.store("xla")
    if store is None:
        return
    import jax
    from jax._src import compilation_cache

    folder = f"{store.folder}-{versions()}"
    if jax.config.jax_compilation_cache_dir != folder:
        compilation_cache.get_file_cache = lambda path: (StoreForJax(path), path)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        jax.config.update("jax_compilation_cache_dir", folder)


@functools.cache
def versions():
    """A digest of what makes the code, how, and for which processor."""
    import jax
    import jaxlib

    known = (jax.__version__, jaxlib.__version__, os.environ.get("XLA_FLAGS"), processor())
    return kept.digest(repr(known).encode()).hex()[:16]


def processor():
    """What the first processor is: XLA compiles for it."""
    said = Path("/proc/cpuinfo")
    lines = said.read_text().partition("\n\n")[0].splitlines() if said.exists() else []
    return [platform.machine(), *(line for line in lines if line.partition(":")[0].strip() in KINDS)]
