"""What the doctor says of its sets of faulty and healthy networks: ``python scripts/doctor_sets.py``.

It trains each of them, which takes about a minute, and prints how many faults were named and missed and how many
false alarms there were, for the half that thresholds are chosen on and for the half that they are reported on.
``--all`` also prints what was said of each network. Needs the ``dev`` extra.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.insight.doctor.sets.figures import lines, table, wrong


def main() -> None:
    """Print the figures."""
    found = list(lines())
    if "--all" in sys.argv[1:]:
        for line in found:
            print(f"{line.kind:8}{line.name:34}{', '.join(line.said)}")
        print()
    print(table(found))
    print(wrong(found))


if __name__ == "__main__":
    main()
