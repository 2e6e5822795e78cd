"""Run every benchmark in this folder; exit 1 if one misses its target.

    python benchmarks/run.py [--quick] [--case NAME] [--threads N]

The comparison with other programs (``compare.py``) comes first and writes its results to ``docs/benchmarks``. The
others take fewer turns here than when they are run alone. With ``--case`` or ``--threads``, only those that know them
run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from options import parser

HERE = Path(__file__).parent
OTHERS = (
    "bind.py",
    "scoring.py",
    "many.py",
    "strategies.py",
    "insight.py",
    "doctor.py",
    "passes.py",
    "lengths.py",
    "wasm.py",
    "scale.py",
    "serving.py",
)


def commands(quick: bool, cases: list[str], threads: int | None) -> list[list[str]]:
    """What is run: files and their options."""
    chosen = [
        *(word for case in cases for word in ("--case", case)),
        *(["--threads", str(threads)] if threads else []),
    ]
    whole = ["compare.py", *(["--quick"] if quick else []), *chosen]
    others = () if chosen else OTHERS
    return [whole, ["deep.py", "--quick", *chosen], *([name, "--quick"] for name in others)]


def main() -> int:
    """Run them one after the other."""
    given = parser(__doc__)
    options = given.parse_args()
    failed = []
    for name, *arguments in commands(options.quick, options.case or [], options.threads):
        print(f"\n== {name} ==", flush=True)
        if subprocess.run([sys.executable, str(HERE / name), *arguments], check=False).returncode:
            failed.append(name)
    print(f"\n{', '.join(failed) or 'nothing'} missed a target")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
