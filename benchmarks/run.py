"""Run every benchmark in this folder; exit 1 if one misses its target."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "predict.py",
    "deep.py",
    "train.py",
    "many.py",
    "insight.py",
    "passes.py",
    "lengths.py",
    "wasm.py",
    "bind.py",
    "scoring.py",
    "scale.py",
    "serving.py",
)


def main():
    here = Path(__file__).parent
    results = [
        subprocess.run([sys.executable, str(here / name), *sys.argv[1:]], check=False).returncode
        for name in BENCHMARKS
        if (here / name).exists()
    ]
    sys.exit(1 if any(results) else 0)


if __name__ == "__main__":
    main()
