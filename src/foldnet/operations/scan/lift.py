"""Recurrence along one more axis."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.lifts import Rule, same
from foldnet.operations.scan.op import Scan, TrainedScan

RULES: dict[type[Op], Rule] = {Scan: same, TrainedScan: same}
