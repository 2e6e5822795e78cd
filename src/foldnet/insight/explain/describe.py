"""``explain``: what each layer computes, in training and at prediction time."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import ConfigError, InputError
from foldnet.insight.arguments import whole
from foldnet.insight.data_formats import formats_at_normalizations
from foldnet.insight.explain.explanation import Block, Explanation, Section, Words
from foldnet.insight.explain.formulas import formula_of, shape_text
from foldnet.insight.explain.normalization import normalization_blocks
from foldnet.insight.explain.own_settings import settings_words
from foldnet.insight.explain.positions import field_words, fields_of, mask_words
from foldnet.insight.explain.prediction import prediction_blocks
from foldnet.insight.explain.sharing import sharing_blocks
from foldnet.insight.explain.source import Source
from foldnet.insight.mask_trails import follow
from foldnet.insight.normalizations import masks_of
from foldnet.insight.rows import read_rows
from foldnet.insight.sites import Site, sites_of
from foldnet.layers.base import Layer
from foldnet.layers.normalization import BatchNormalization
from foldnet.lowering.lower import lower
from foldnet.network import Model, Network


def explain(
    model: object, x: object = None, layer: str | None = None, *, row: int = 0, channel: int = 0
) -> Explanation:
    """Explain what a network computes, layer by layer, with all details of its first BatchNormalization.

    Args:
        model: a network, the path of its file, or one layer that has been called.
        x: rows of data; with them, a BatchNormalization's numbers are followed step by step. For one layer,
            rows of its own input.
        layer: path of the one layer call to explain in full, such as ``"dense"`` or ``"inner/bn"``.
        row: of ``x``, the row to follow.
        channel: the channel to follow.

    Returns:
        An Explanation; ``print`` it, or take its sections.

    Raises:
        ConfigError: ``row`` or ``channel`` is no whole number, or ``layer`` no path.
        InputError: there is no such layer, row or channel, or ``x`` does not fit the network.
        UnsupportedError: with ``x``: the network cannot be computed exactly.

    >>> from foldnet import Sequential, layers
    >>> model = Sequential([layers.Input((4,)), layers.BatchNormalization(name="bn")])
    >>> "x.mean(axis=(0,))" in str(explain(model))
    True
    """
    row, channel = whole("row", row), whole("channel", channel)
    if layer is not None and not isinstance(layer, str):
        raise ConfigError(f"layer is the path of a layer call, such as 'dense', not a {type(layer).__name__}")
    network = _network(model)
    graph = None if x is None else lower(network)
    sites = sites_of(network, graph)
    if layer is not None:
        chosen = [s for s in sites if s.path == layer]
        if not chosen:
            raise InputError(f"{network.name!r} has no layer {layer!r}; it has {[s.path for s in sites]}")
        full = layer
    else:
        chosen = sites
        full = next((s.path for s in sites if s.layer.normalizes_by == "batch"), "")
    rows = () if graph is None else tuple(read_rows(graph, x))
    values = {} if graph is None else ReferenceProgram(graph).values(rows)
    formats, masks = formats_at_normalizations(sites_of(network)), masks_of(network, rows)
    source = Source(network, tuple(sites), tuple(chosen), graph, rows, values, masks, row, channel, formats)
    title = f"{type(network).__name__} {network.name!r}: {len(sites)} layers, {network.count_params():,} parameters"
    if layer is not None:
        title = f"Layer {layer!r} of {network.name!r}"
    fields, trails = fields_of(sites), follow(sites)
    sections = tuple(
        _section(
            site, source, site.path == full, [*field_words(site.path, fields), *mask_words(site, trails)]
        )
        for site in chosen
    )
    return Explanation(title, sections, prediction_blocks(network, graph) if layer is None else (), source)


def _normalization(site: Site, layer: BatchNormalization, source: Source) -> list[Block]:
    """Everything about one BatchNormalization, with numbers if there are rows."""
    x = source.values.get(site.operands[0])
    channels = prod(layer.specs[0].shape)
    if x is not None and not -len(x) <= source.row < len(x):
        raise InputError(f"row={source.row}: there are {len(x)} rows")
    if not 0 <= source.channel < channels:
        raise InputError(f"channel={source.channel}: layer {site.path!r} has {channels} channels")
    row = source.row % len(x) if x is not None else 0
    said, masked, mask = source.formats.get(site.path), site.path in source.masks, source.masks.get(site.path)
    return normalization_blocks(layer, site.input_shapes[0], x, row, source.channel, said, masked, mask)


def _network(model: object) -> Network:
    if isinstance(model, str | Path):
        from foldnet.files import load_model

        model = load_model(model)
    if isinstance(model, Layer) and not isinstance(model, Network):
        model = _around(model)
    if not isinstance(model, Network):
        raise InputError(
            f"explain takes a network, the path of its file or a layer, not a {type(model).__name__}"
        )
    if not model.built:
        raise InputError(
            f"{model.name!r} has no shapes yet: give its first layer an input_shape, or call build"
        )
    return model


def _around(layer: Layer) -> Model:
    """A network of one layer, on inputs of the shape that it was first called on."""
    from foldnet.layers.input_layer import Input

    if not layer.calls or not layer.calls[0].inputs:
        raise InputError(f"layer {layer.name!r} has not been called yet, so its shapes are unknown")
    operands = [Input(batch_shape=t.shape, dtype=t.dtype) for t in layer.calls[0].inputs]
    call = layer.calls[0]
    first, *others = call.arguments_with(dict(zip(call.inputs, operands, strict=True))).items()
    result = layer(first[1], **dict(others))
    # The call made for this network is none of the layer's own.
    layer.calls.pop()
    return Model(operands, result, name=layer.name)


def _section(site: Site, source: Source, full: bool, around: Sequence[Words]) -> Section:
    """A layer call; ``around``: what depends on the layers before and after it."""
    layer, shapes = site.layer, site.input_shapes
    blocks: list[Block] = [formula_of(layer, shapes), *around, *settings_words(layer)]
    if isinstance(layer, BatchNormalization) and full:
        blocks += _normalization(site, layer, source)
        return _titled(site, blocks)
    if layer.normalizes_by in ("row", "data"):
        blocks += sharing_blocks(layer, shapes[0])
    if layer.count_params():
        blocks.append(weights_words(layer))
        if layer.normalizes_by == "batch":
            blocks.append(Words(f"Its statistics in full: explain(model, layer={site.path!r})."))
    return _titled(site, blocks)


def _titled(site: Site, blocks: Sequence[Block]) -> Section:
    shapes = " and ".join(shape_text(s) for s in site.input_shapes)
    return Section(site.path, site.kind, shapes, shape_text(site.shape), tuple(blocks))


def weights_words(layer: Layer) -> Words:
    """How many weights a layer has, and which of them are trained."""
    if layer.inner_network is not None:
        return Words(f"{layer.count_params():,} parameters, those of the layers in it.")
    kinds: Sequence[tuple[str, bool]] = (("trained", True), ("not trained", False))
    parts = []
    for words, trained in kinds:
        specs = [s for s in layer.specs if layer.trains(s.name) is trained]
        if specs:
            names = ", ".join(f"{s.name} {s.shape}" for s in specs)
            parts.append(f"{names} {words}")
    return Words(f"{layer.count_params():,} parameters: {'; '.join(parts)}.")
