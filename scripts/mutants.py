"""Put small faults into the code, one at a time, and see which of them the tests do not notice: ``make mutants``.

cosmic-ray makes the faults; `mutants.toml` says in which modules, and which tests should notice. Every fault is tried
in a copy of the tree, so nothing here is ever changed. Faults that change nothing (in annotations and docstrings) are
left out. Prints how many were caught in each module, then the survivors; exit code 1 if fewer than 90 % were caught.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path("src/foldnet")
WANTED = 0.9
"""The share of faults that the tests must catch."""


@dataclass(frozen=True)
class Mutant:
    """One fault: the module as it is, and with the fault in it."""

    module: str
    before: str
    code: str

    def difference(self) -> str:
        """The lines that the fault changes, each with its place."""
        before, after = self.before.splitlines(), self.code.splitlines()
        lines = []
        for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(
            None, before, after, autojunk=False
        ).get_opcodes():
            if kind != "equal":
                lines += [f"{self.module}:{i1 + 1}"]
                lines += [f"  - {line.strip()}" for line in before[i1:i2]]
                lines += [f"  + {line.strip()}" for line in after[j1:j2]]
        return "\n".join(lines)


def meaning(code: str) -> str | None:
    """The code without what cannot change what it does; None if it is no Python."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Name("_")
        if isinstance(node, ast.keyword) and node.arg == "frozen":  # it only refuses unusual code
            node.value = ast.Constant(None)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "not TYPE_CHECKING"):
            node.test, node.body = ast.Name("TYPE_CHECKING"), [ast.Pass()]  # imports for annotations
    return ast.dump(tree)


def mutants_of(module: str, generator: random.Random) -> Iterator[Mutant]:
    """Every fault that cosmic-ray knows to make in a module, in random order; each is made when it is asked for."""
    path = ROOT / SOURCE / module
    code = path.read_text(encoding="utf-8")
    seen = {meaning(code), None}
    nodes = list(ast_nodes(get_ast_from_path(path)))
    operators = [kind() for kind in map(get_operator, operator_names()) if not kind.arguments()]
    places = [
        (operator, occurrence)
        for operator in operators
        for occurrence in range(sum(1 for node in nodes for _ in operator.mutation_positions(node)))
    ]
    generator.shuffle(places)
    for operator, occurrence in places:
        try:
            changed = mutate_code(code, operator, occurrence)
        except AttributeError:  # cosmic-ray 8.7's ExceptionReplacer fails on `except module.Error`
            continue
        if changed is not None and meaning(changed) not in seen:
            seen.add(meaning(changed))
            yield Mutant(module, code, changed)


class Copy:
    """A copy of the tree in which tests run."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self.python = folder, python
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        built = [str(path.relative_to(ROOT)) for path in (ROOT / SOURCE).glob("*.so")]
        for name in [*listed.splitlines(), *built]:
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)

    def passes(self, tests: list[str], seconds: float) -> bool:
        """Whether the tests pass within a time; a hang is as good as a failure."""
        command = [self.python, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider"]
        process = subprocess.Popen(
            [*command, *(f"tests/{name}" for name in tests)],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(self.folder / "src"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "FOLDNET_CACHE": str(self.folder / "cache"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()

    def catches(self, mutant: Mutant, tests: list[str], seconds: float) -> bool:
        """Whether the tests notice a fault."""
        path = self.folder / SOURCE / mutant.module
        path.write_text(mutant.code, encoding="utf-8")
        try:
            return not self.passes(tests, seconds)
        finally:
            path.write_text(mutant.before, encoding="utf-8")


def main() -> int:
    """Try the faults and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="of mutants.toml; all of them if none")
    parser.add_argument("--python", default=sys.executable, help="that has foldnet's tests' packages")
    parser.add_argument("--count", type=int, default=200, help="how many faults, spread over the modules")
    parser.add_argument("--seed", type=int, default=0, help="which faults")
    parser.add_argument("--minutes", type=float, default=60, help="after which no further fault is begun")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    listed = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text(encoding="utf-8"))["modules"]
    tests = {module: listed[module] for module in args.modules or listed}
    chosen = choose(list(tests), args.count, args.seed)
    console = Console()
    caught: list[Mutant] = []
    survived: list[Mutant] = []
    end = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: Queue[Copy] = Queue()
        for i in range(args.jobs):
            copies.put(Copy(Path(folder) / str(i), args.python))
        limits = {module: limit(copies, tests[module], module) for module in tests}

        def judge(mutant: Mutant) -> None:
            if time.monotonic() < end:
                copy = copies.get()
                try:
                    found = copy.catches(mutant, tests[mutant.module], limits[mutant.module])
                finally:
                    copies.put(copy)
                (caught if found else survived).append(mutant)

        with Progress(console=console) as progress, ThreadPoolExecutor(args.jobs) as pool:
            list(progress.track(pool.map(judge, chosen), total=len(chosen), description="faults"))
    report(console, list(tests), caught, survived, len(chosen))
    return int(len(caught) < WANTED * (len(caught) + len(survived)))


def choose(modules: list[str], count: int, seed: int) -> list[Mutant]:
    """So many faults, as evenly spread over the modules as they have them; a module's do not depend on the others."""
    heaps = [mutants_of(module, random.Random(f"{seed} {module}")) for module in modules]
    chosen: list[Mutant] = []
    while heaps and len(chosen) < count:
        for heap in list(heaps):
            mutant = next(heap, None)
            if mutant is None:
                heaps.remove(heap)
            else:
                chosen.append(mutant)
    return chosen[:count]


def limit(copies: Queue[Copy], tests: list[str], module: str) -> float:
    """How long the tests may take: a few times what they take without a fault."""
    copy = copies.get()
    start = time.monotonic()
    try:
        if not copy.passes(tests, 600):
            sys.exit(f"the tests of {module} do not pass as they are: {' '.join(tests)}")
    finally:
        copies.put(copy)
    return 10 + 4 * (time.monotonic() - start)


def report(
    console: Console, modules: list[str], caught: list[Mutant], survived: list[Mutant], chosen: int
) -> None:
    """A table, and the survivors."""
    table = Table("module", "faults", "caught")
    for module in modules:
        found, missed = (sum(m.module == module for m in group) for group in (caught, survived))
        table.add_row(module, str(found + missed), str(found))
    console.print(table)
    for mutant in survived:
        console.print(mutant.difference(), markup=False, highlight=False)
    tried = len(caught) + len(survived)
    console.print(f"{len(caught)} of {tried} faults caught, {100 * len(caught) / max(tried, 1):.0f} %")
    if tried < chosen:
        console.print(f"{chosen - tried} were not tried: the time was up")


if __name__ == "__main__":
    sys.exit(main())
