"""Random networks, compared with live Keras: as many as one likes.

    python -m tests.soak.soak 1000 --seed 5000
    python -m tests.soak.soak --minutes 60

runs the networks of the seeds from ``--seed`` on, each in every way that foldnet computes one (see `compare`); the C
export, which compiles, is run for one of ``--c`` networks. A failure is made as small as it gets, and printed with a
script that shows it. At the end: how many ran, how many of each layer, and what was refused, and why.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

# As in the suite's conftest: what JAX compiles here runs once.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)

from tests.soak.compare import WAYS, Result, compared
from tests.soak.grow import network
from tests.soak.recipe import Recipe, layers_in
from tests.soak.shrink import script, shrunk


@dataclass
class Report:
    """What has run so far."""

    networks: int = 0
    layers: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    by_keras: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    farthest: dict[str, float] = field(default_factory=dict)

    def text(self) -> str:
        parts = [
            f"{self.networks} networks, {len(self.failures)} wrong",
            "compared: " + _listed(self.compared),
            "farther from float64 than Keras, at most: "
            + ", ".join(f"{way} {ratio:.1f} times" for way, ratio in self.farthest.items()),
            "layers: " + _listed(self.layers),
            f"refused {sum(self.refused.values())}:",
            *(f"  {n} {reason}" for reason, n in self.refused.most_common()),
            f"that Keras itself cannot compute {sum(self.by_keras.values())}:",
            *(f"  {n} {reason}" for reason, n in self.by_keras.most_common()),
        ]
        return "\n".join(parts)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))


def reason(words: str) -> str:
    """An error without names and numbers, so that the same reason is counted as one."""
    return re.sub(r"'[^']*'|\(.*?\)|\d+", "…", words.splitlines()[0] if words else "")[:160]


def ways_of(seed: int, every_c: int) -> tuple[str, ...]:
    """The ways for a seed: all but the C export, which most networks go without."""
    return WAYS if every_c and seed % every_c == 0 else tuple(way for way in WAYS if way != "c")


def run(report: Report, seed: int, ways: Sequence[str], recipe: Recipe | None = None) -> list[Result]:
    """Compare the network of a seed and count; gives what went wrong."""
    recipe = recipe or network(seed)
    report.networks += 1
    report.layers.update(layers_in(recipe))
    try:
        results = compared(recipe, seed, ways)
    except Exception as error:
        report.by_keras[reason(f"{type(error).__name__}: {error}")] += 1
        return []
    for result in results:
        report.compared[result.way] += result.kind == "ok"
        if result.kind == "ok":
            report.farthest[result.way] = max(report.farthest.get(result.way, 0.0), result.ratio)
    for words in {reason(result.words) for result in results if result.kind == "refused"}:
        report.refused[words] += 1
    return [result for result in results if result.kind == "wrong"]


def told(recipe: Recipe, seed: int, wrong: Result) -> str:
    """The failure, as small as it gets."""

    def fails(smaller: Recipe) -> bool:
        ways = WAYS if wrong.way == "converted" else (wrong.way,)
        results = compared(smaller, seed, ways)
        return any(
            r.kind == wrong.kind and r.way == wrong.way and reason(r.words)[:30] == reason(wrong.words)[:30]
            for r in results
        )

    small = shrunk(recipe, fails)
    found = next((r for r in compared(small, seed, WAYS) if r.way == wrong.way), wrong)
    return f"seed {seed}, {wrong.way}: {found.words}\n{script(small, seed, wrong.way)}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Random networks against live Keras.")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("networks", type=int, nargs="?", help="how many networks")
    parser.add_argument("--minutes", type=float, help="how long")
    parser.add_argument(
        "--c", type=int, default=10, help="the C export for one of so many networks; 0 for none"
    )
    asked = parser.parse_args(arguments)
    report, start = Report(), time.monotonic()
    seeds = count(asked.seed)
    if asked.networks is not None:
        seeds = iter(range(asked.seed, asked.seed + asked.networks))
    elif asked.minutes is None:
        parser.error("say how many networks, or how many --minutes")
    for seed in seeds:
        if asked.minutes is not None and time.monotonic() - start > 60 * asked.minutes:
            break
        wrong = run(report, seed, ways_of(seed, asked.c))
        if wrong:
            report.failures.append(told(network(seed), seed, wrong[0]))
            print(f"{report.failures[-1]}\n", flush=True)
    print(report.text())
    return 1 if report.failures else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        # Programs that nobody needs again, compiled as quickly as they can be.
        os.environ.setdefault("FOLDNET_CACHE", folder)
        from foldnet.engines.native import cache
        from tests.support.compiling import unoptimized

        cache.load = unoptimized
        import logging

        logging.getLogger("absl").setLevel(logging.ERROR)
        import warnings

        warnings.simplefilter("ignore")
        sys.exit(main(sys.argv[1:]))
