"""The network and data that an explanation was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from foldnet.arrays import Array
from foldnet.graph.graph import Graph
from foldnet.insight.sites import Site
from foldnet.literals import DataFormat
from foldnet.network import Network


@dataclass(frozen=True)
class Source:
    """A network, its layer calls, and the caller's rows in it.

    Attributes:
        network: the explained network.
        sites: all of its layer calls, in computing order.
        chosen: those that are explained.
        graph: its lowering for prediction; None without rows.
        inputs: the caller's rows, one array per input of the graph; empty without rows.
        values: every value of the graph for them, in float64.
        masks: by path, the mask that each BatchNormalization gets with its input, where it gets one; None without rows.
        row: to follow.
        channel: to follow.
        formats: by path of a normalization, where the layers around it have their channels, if they say so.
    """

    network: Network
    sites: tuple[Site, ...]
    chosen: tuple[Site, ...]
    graph: Graph | None = None
    inputs: tuple[Array, ...] = ()
    values: Mapping[str, Array] = field(default_factory=dict)
    masks: Mapping[str, Array | None] = field(default_factory=dict)
    row: int = 0
    channel: int = 0
    formats: Mapping[str, DataFormat] = field(default_factory=dict)
