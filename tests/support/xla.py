"""What XLA compiled of real Keras, kept from run to run: JAX has a cache for that, which is not whole after a crash."""

import functools
import os
import platform
from pathlib import Path

from tests.support import kept

KINDS = (
    "vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU implementer", "CPU part", "CPU variant",
)  # fmt: skip


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
