"""The grid: every layer, ranks 2 to 5, every axis, every setting that changes numbers."""

from __future__ import annotations

from itertools import combinations

from tests.support.image_changes import IMAGE_CHANGES, MORE, ROW
from tests.support.keras_pairs import Case

ROWS = {2: (6,), 3: (4, 6), 4: (3, 4, 6), 5: (2, 3, 2, 4)}
"""A row of each rank; every axis has another size, so that a mixed-up axis shows (but at rank 5, for time)."""


def axes_of(rank: int) -> list[int]:
    """Every axis but the batch axis, also counted from the back (at rank 5 the last alone)."""
    return [a for a in range(-rank + 1 if rank < 5 else -1, rank) if a != 0]


def axis_lists(rank: int, at_least: int = 2) -> list[list[int]]:
    """Every set of axes without the batch axis (at rank 5 the pairs alone)."""
    return [
        list(axes)
        for count in range(at_least, rank if rank < 5 else 3)
        for axes in combinations(range(1, rank), count)
    ]


def batch_normalization() -> list[Case]:
    cases = [Case("BatchNormalization", {"axis": a}, (ROWS[r],)) for r in ROWS for a in axes_of(r)]
    for scale, center in [(False, True), (True, False), (False, False)]:
        cases.append(Case("BatchNormalization", {"scale": scale, "center": center}, (ROWS[3],)))
    cases.append(Case("BatchNormalization", {"epsilon": 0.5, "axis": 1}, (ROWS[4],)))
    cases.append(Case("BatchNormalization", {"renorm": True}, (ROWS[3],)))
    return cases


def layer_normalization() -> list[Case]:
    cases = []
    for rank, row in ROWS.items():
        cases += [Case("LayerNormalization", {"axis": a}, (row,)) for a in axes_of(rank)]
        cases += [Case("LayerNormalization", {"axis": axes}, (row,)) for axes in axis_lists(rank)]
    cases.append(Case("LayerNormalization", {"axis": [-1, 1]}, (ROWS[4],)))  # Keras sorts them as written
    cases.append(Case("LayerNormalization", {"axis": [2, 1]}, (ROWS[3],)))
    for scale, center in [(False, True), (True, False), (False, False)]:
        cases.append(Case("LayerNormalization", {"scale": scale, "center": center}, (ROWS[3],)))
    cases.append(Case("LayerNormalization", {"epsilon": 0.3}, (ROWS[2],)))
    return cases


def group_normalization() -> list[Case]:
    cases = []
    for rank, row in ROWS.items():
        for axis in axes_of(rank):
            size = row[axis - 1] if axis > 0 else row[axis]
            for groups in (1, 2, -1) if size % 2 == 0 else (1, -1):
                cases.append(Case("GroupNormalization", {"groups": groups, "axis": axis}, (row,)))
    for scale, center in [(False, True), (True, False), (False, False)]:
        cases.append(Case("GroupNormalization", {"groups": 3, "scale": scale, "center": center}, (ROWS[4],)))
    cases.append(Case("GroupNormalization", {"groups": 2, "epsilon": 0.3}, (ROWS[3],)))
    return cases


def other_normalizations() -> list[Case]:
    cases = []
    for rank, row in ROWS.items():
        cases += [Case("UnitNormalization", {"axis": a}, (row,)) for a in axes_of(rank)]
        cases += [Case("UnitNormalization", {"axis": axes}, (row,)) for axes in axis_lists(rank)]
        cases.append(Case("RMSNormalization", {}, (row,)))
        cases.append(Case("Normalization", {"axis": None}, (row,)))
        for axis in axes_of(rank):
            cases.append(Case("Normalization", {"axis": axis}, (row,)))
    cases += [
        Case("RMSNormalization", {"axis": [-1, -2], "epsilon": 0.1}, (ROWS[4],)),
        Case("RMSNormalization", {"axis": [2, 1]}, (ROWS[3],)),
        Case("RMSNormalization", {"axis": 1}, ((4, 4),)),  # Keras lays scale along the last axis
        Case("Normalization", {"axis": (1, 3)}, (ROWS[4],)),
        Case("Normalization", {"axis": (3, -3)}, (ROWS[4],)),
        Case("Normalization", {"invert": True}, (ROWS[3],)),
        Case("Normalization", {"mean": 2.5, "variance": 0.3}, (ROWS[3],)),
        Case("Normalization", {"mean": [1.0, 2, 3, 4, 5, 6], "variance": [0.1, 1, 2, 0.0, 4, 9]}, (ROWS[3],)),
        Case("Normalization", {"axis": None, "mean": 1.0, "variance": 4.0, "invert": True}, (ROWS[2],)),
        Case("Rescaling", {"scale": 1 / 255}, (ROWS[4],)),
        Case("Rescaling", {"scale": -1.7, "offset": 0.3}, (ROWS[2],)),
        Case("Rescaling", {"scale": [1.0, 2, 3, 4, 5, 6], "offset": [[1.0], [2], [3], [4]]}, (ROWS[4],)),
    ]
    return cases


ACTIVATIONS = [
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid",
    "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax",
    "squareplus", "swish", "tanh", "tanh_shrink",
]  # fmt: skip


def core() -> list[Case]:
    cases = [Case("Dense", {"units": 7}, (row,)) for row in ROWS.values()]
    cases.append(Case("Dense", {"units": 3, "use_bias": False}, (ROWS[3],)))
    cases.append(Case("Dense", {"units": 300}, ((400,),)))
    cases += [Case("Dense", {"units": 4, "activation": a}, ((5,),)) for a in ACTIVATIONS]
    cases += [Case("Activation", {"activation": a}, (ROWS[3],)) for a in ACTIVATIONS]
    cases += [
        Case("Embedding", {"input_dim": 9, "output_dim": 4}, ((5,),), indices=9),
        Case("Embedding", {"input_dim": 9, "output_dim": 4, "mask_zero": True}, ((3, 2),), indices=9),
        Case("Identity", {}, (ROWS[3],)),
        Case("Masking", {"mask_value": 0.5}, (ROWS[3],)),
        Case("ReversibleEmbedding", {"input_dim": 9, "output_dim": 4}, ((5,),), indices=9),
        Case("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 5, "bias_axes": "y"}, (ROWS[3],)),
        Case(
            "EinsumDense",
            {"equation": "abc,dbe->ade", "output_shape": (4, 5), "activation": "tanh"},
            (ROWS[3],),
        ),
        Case("EinsumDense", {"equation": "...bc,bc->...b", "output_shape": 4, "bias_axes": "b"}, (ROWS[4],)),
    ]
    return cases


def activation_layers() -> list[Case]:
    cases = [
        Case("ReLU", {}, (ROWS[3],)),
        Case("ReLU", {"max_value": 2.0}, (ROWS[3],)),
        Case("ReLU", {"max_value": 6}, (ROWS[3],)),
        Case("ReLU", {"negative_slope": 0.2}, (ROWS[3],)),
        Case("ReLU", {"threshold": 0.7}, (ROWS[3],)),
        Case("ReLU", {"max_value": 2.0, "negative_slope": 0.2, "threshold": 0.7}, (ROWS[3],)),
        Case("LeakyReLU", {}, (ROWS[2],)),
        Case("LeakyReLU", {"negative_slope": 0.05}, (ROWS[4],)),
        Case("ELU", {}, (ROWS[2],)),
        Case("ELU", {"alpha": 2.5}, (ROWS[2],)),
    ]
    for rank, row in ROWS.items():
        cases += [Case("PReLU", {}, (row,)), Case("PReLU", {"shared_axes": []}, (row,))]
        cases += [Case("PReLU", {"shared_axes": [a]}, (row,)) for a in range(1, rank)]
        cases += [Case("Softmax", {"axis": a}, (row,)) for a in axes_of(rank)]
        cases += [Case("Softmax", {"axis": axes}, (row,)) for axes in axis_lists(rank, at_least=1)]
    cases.append(Case("PReLU", {"shared_axes": [1, 2]}, (ROWS[4],)))
    return cases


def regularization() -> list[Case]:
    return [
        Case("Dropout", {"rate": 0.5}, (ROWS[3],)),
        Case("Dropout", {"rate": 1.0, "noise_shape": (None, 1, 6)}, (ROWS[3],)),
        Case("AlphaDropout", {"rate": 0.4}, (ROWS[2],)),
        Case("GaussianDropout", {"rate": 0.4}, (ROWS[2],)),
        Case("GaussianNoise", {"stddev": 0.4}, (ROWS[2],)),
        Case("SpatialDropout1D", {"rate": 0.4}, (ROWS[3],)),
        Case("SpatialDropout2D", {"rate": 0.4, "data_format": "channels_first"}, (ROWS[4],)),
        Case("SpatialDropout3D", {"rate": 0.4}, (ROWS[5],)),
        Case("ActivityRegularization", {"l1": 0.3, "l2": 0.1}, (ROWS[2],)),
    ]


def reshaping() -> list[Case]:
    cases = []
    for row in ROWS.values():
        cases += [Case("Flatten", {"data_format": f}, (row,)) for f in ("channels_last", "channels_first")]
    cases += [
        Case("Reshape", {"target_shape": (6, 4)}, (ROWS[3],)),
        Case("Reshape", {"target_shape": (2, -1, 3)}, (ROWS[4],)),
        Case("Reshape", {"target_shape": (-1,)}, (ROWS[5],)),
        Case("Permute", {"dims": (2, 1)}, (ROWS[3],)),
        Case("Permute", {"dims": (3, 1, 2)}, (ROWS[4],)),
        Case("Permute", {"dims": (4, 2, 1, 3)}, (ROWS[5],)),
        Case("RepeatVector", {"n": 3}, (ROWS[2],)),
    ]
    return cases


def pooling() -> list[Case]:
    cases = []
    for row in ((7, 3), (6, 5, 4), (4, 5, 4, 3)):
        dims = len(row) - 1
        for kind in ("Average", "Max"):
            for data_format in ("channels_last", "channels_first"):
                for padding in ("valid", "same"):
                    for size, strides in ((2, None), ((3, 2, 2)[:dims], (2, 1, 3)[:dims])):
                        settings = {
                            "pool_size": size,
                            "strides": strides,
                            "padding": padding,
                            "data_format": data_format,
                        }
                        cases.append(Case(f"{kind}Pooling{dims}D", settings, (row,)))
                for keepdims in (False, True):
                    settings = {"keepdims": keepdims, "data_format": data_format}
                    cases.append(Case(f"Global{kind}Pooling{dims}D", settings, (row,)))
    return cases


def convolution() -> list[Case]:
    cases = []
    formats = ("channels_last", "channels_first")
    for dims, row in enumerate(((9, 4), (7, 6, 4), (5, 4, 6, 4)), start=1):
        first = (4, *row[:-1])
        sizes, steps = (3, 2, 2)[:dims], (2, 1, 3)[:dims]
        for data_format, shape in zip(formats, (row, first), strict=True):
            common = {"data_format": data_format, "kernel_size": sizes}
            for padding in ("valid", "same"):
                for more in ({}, {"strides": steps}, {"dilation_rate": 2}):
                    settings = common | {"padding": padding} | more
                    cases.append(Case(f"Conv{dims}D", settings | {"filters": 5}, (shape,)))
                    cases.append(Case(f"Conv{dims}DTranspose", settings | {"filters": 3}, (shape,)))
                    if dims < 3:
                        again = settings | {"depth_multiplier": 2, "activation": "tanh"}
                        cases.append(Case(f"DepthwiseConv{dims}D", again, (shape,)))
                        cases.append(Case(f"SeparableConv{dims}D", again | {"filters": 5}, (shape,)))
            cases.append(
                Case(f"Conv{dims}D", common | {"filters": 6, "groups": 2, "activation": "softmax"}, (shape,))
            )
        for padding in ("valid", "same"):
            for size, stride, more in ((2, 3, None), (1, 2, 1), (3, 3, 2), (4, 3, 0), (5, 2, 1)):
                settings = {"filters": 2, "kernel_size": size, "strides": stride, "output_padding": more}
                cases.append(Case(f"Conv{dims}DTranspose", settings | {"padding": padding}, (row,)))
        cases.append(Case(f"Conv{dims}D", {"filters": 3, "kernel_size": 2, "use_bias": False}, (row,)))
    for more in ({}, {"dilation_rate": 3}, {"strides": 2}):
        settings = {"kernel_size": 3, "padding": "causal"} | more
        cases.append(Case("Conv1D", settings | {"filters": 5}, ((9, 4),)))
    return cases


INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]


def borders() -> list[Case]:
    cases = []
    for dims, row in enumerate(((6, 3), (5, 6, 3), (4, 5, 6, 2)), start=1):
        each = ((1, 2), (0, 1), (2, 0))[:dims] if dims > 1 else (1, 2)
        for data_format, shape in (("channels_last", row), ("channels_first", (row[-1], *row[:-1]))):
            both = {"data_format": data_format}
            where = both if dims > 1 else {}
            if dims == 1 and data_format == "channels_first":
                continue
            for ends in (1, (1, 2, 0)[:dims] if dims > 1 else 2, each):
                cases.append(Case(f"ZeroPadding{dims}D", {"padding": ends, **where}, (shape,)))
                cases.append(Case(f"Cropping{dims}D", {"cropping": ends, **where}, (shape,)))
            for size in (2, (3, 1, 2)[:dims] if dims > 1 else 3):
                cases.append(Case(f"UpSampling{dims}D", {"size": size, **where}, (shape,)))
                for interpolation in INTERPOLATIONS[1:] if dims == 2 else ():
                    settings = {"size": size, "interpolation": interpolation, **where}
                    cases.append(Case("UpSampling2D", settings, (shape,)))
    cases.append(Case("UpSampling2D", {"size": 3, "interpolation": "bilinear"}, ((1, 2, 3),)))
    cases.append(Case("ZeroPadding1D", {"padding": 1, "data_format": "channels_first"}, ((3, 6),)))
    return cases


def resizing() -> list[Case]:
    cases = []
    for row, data_format in (((7, 6, 3), "channels_last"), ((3, 7, 6), "channels_first")):
        where = {"data_format": data_format}
        for height, width in ((14, 5), (3, 11), (7, 4), (2, 2)):
            size = {"height": height, "width": width, **where}
            for interpolation in INTERPOLATIONS:
                settings = size | {"interpolation": interpolation}
                cases.append(Case("Resizing", settings, (row,)))
                cases.append(Case("Resizing", settings | {"antialias": True}, (row,)))
            cases.append(Case("Resizing", size | {"crop_to_aspect_ratio": True}, (row,)))
            cases.append(Case("Resizing", size | {"pad_to_aspect_ratio": True}, (row,)))
            settings = {"pad_to_aspect_ratio": True, "fill_value": -2.7, "interpolation": "bicubic"}
            cases.append(Case("Resizing", size | settings, (row,)))
            settings = {"crop_to_aspect_ratio": True, "interpolation": "nearest"}
            cases.append(Case("Resizing", size | settings, (row,)))
        for height, width in ((4, 3), (7, 6), (6, 6), (9, 4), (3, 8), (10, 10)):
            cases.append(Case("CenterCrop", {"height": height, "width": width, **where}, (row,)))
    cases.append(Case("Resizing", {"height": 3, "width": 3}, ((7, 6, 3),)))
    cases.append(Case("Resizing", {"height": 3, "width": 4}, ((1, 1, 2),)))
    return cases


def adaptive_pooling() -> list[Case]:
    cases = []
    for row in ((7, 3), (6, 5, 4), (4, 5, 6, 3)):
        dims = len(row) - 1
        for data_format, shape in (("channels_last", row), ("channels_first", (row[-1], *row[:-1]))):
            for size in (1, 2, 3, 4, (5, 2, 4)[:dims], (3, 5, 1)[:dims], (9, 5, 3)[:dims]):
                for kind in ("Average", "Max"):
                    settings = {"output_size": size, "data_format": data_format}
                    cases.append(Case(f"Adaptive{kind}Pooling{dims}D", settings, (shape,)))
    return cases


def encoding() -> list[Case]:
    cases = []
    for mode in ("one_hot", "multi_hot", "count"):
        for row in ((5,), (1,), (4, 3), (4, 1), (2, 3, 2)):
            for tokens in (4, 9):
                settings = {"num_tokens": tokens, "output_mode": mode}
                cases.append(Case("CategoryEncoding", settings, (row,), indices=7))
    cases += [
        Case("CategoryEncoding", {"num_tokens": 5}, ((6,),))
    ]  # of numbers with fractions, below 0 and above
    cases += [Case("CategoryEncoding", {"num_tokens": 5, "output_mode": "count"}, ((6,),))]
    for mode in ("int", "one_hot", "multi_hot", "count"):
        for row in ((5,), (1,), (4, 3), (4, 1)):
            settings = {"bin_boundaries": [-2.0, -0.3, 0.1, 0.1, 2.5], "output_mode": mode}
            cases.append(Case("Discretization", settings, (row,)))
    cases.append(Case("Discretization", {"bin_boundaries": [1, 2, 4]}, ((5,),), indices=7))
    return cases


def image_changes() -> list[Case]:
    seed = {"RandomCrop": {"seed": 7}}  # Keras makes one up
    cases = [Case(n, settings | seed.get(n, {}), (ROW,)) for n, settings in IMAGE_CHANGES.items()]
    cases += [
        Case("AutoContrast", settings, (row,))
        for settings in (
            {},
            {"value_range": (5, -1)},
            {"value_range": (0.0, 1.0), "data_format": "channels_first"},
        )
        for row in ((5, 4, 3), (1, 1, 3))  # where nothing can be stretched
    ]
    first = [settings.get("data_format") == "channels_first" for settings in MORE.values()]
    cases += [
        Case(n, settings, ((3, 2, 4) if turned else ROW,))
        for (n, settings), turned in zip(MORE.items(), first, strict=True)
    ]
    return cases


def merging() -> list[Case]:
    cases = []
    for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        cases += [Case(kind, {}, (row, row, row)) for row in ROWS.values()]
        cases.append(Case(kind, {}, ((4, 6), (1, 6), (4, 1))))
        cases.append(Case(kind, {}, ((6,), (4, 6), (3, 1, 6))))
    cases += [Case("Subtract", {}, (row, row)) for row in ROWS.values()]
    cases += [Case("Subtract", {}, ((6,), (3, 4, 6))), Case("Subtract", {}, ((3, 4, 6), (1,)))]
    for rank, row in ROWS.items():
        for axis in axes_of(rank):
            other = list(row)
            other[axis - 1 if axis > 0 else axis] = 5
            cases.append(Case("Concatenate", {"axis": axis}, (row, tuple(other), row)))
    for normalize in (False, True):
        cases += [
            Case("Dot", {"axes": 1, "normalize": normalize}, ((6,), (6,))),
            Case("Dot", {"axes": -1, "normalize": normalize}, ((4, 6), (3, 6))),
            Case("Dot", {"axes": 1, "normalize": normalize}, ((4, 6), (4, 3))),
            Case("Dot", {"axes": [2, 1], "normalize": normalize}, ((4, 6), (6, 3))),
            Case("Dot", {"axes": [2, 1], "normalize": normalize}, ((4, 6), (6,))),
            Case("Dot", {"axes": [1, 3], "normalize": normalize}, ((6,), (3, 4, 6))),
            Case("Dot", {"axes": [2, 3], "normalize": normalize}, ((3, 4, 6), (2, 3, 4))),
            Case("Dot", {"axes": (-2, -1), "normalize": normalize}, ((3, 4, 6), (2, 4))),
        ]
    return cases


def attention() -> list[Case]:
    query, value, key = (5, 6), (7, 6), (7, 4)
    heads = {"num_heads": 2, "key_dim": 3}
    groups = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
    cases = [
        Case("MultiHeadAttention", heads, (query, value)),
        Case("MultiHeadAttention", heads | {"use_bias": False}, (query, value, key)),
        Case("MultiHeadAttention", heads | {"dropout": 0.2, "value_dim": 5}, (query, value)),
        Case("MultiHeadAttention", heads | {"dropout": 0.2, "output_shape": 4}, (query, value)),
        Case("MultiHeadAttention", heads | {"dropout": 0.2, "output_shape": (3, 2)}, (query, value)),
        Case("MultiHeadAttention", heads | {"dropout": 0.2, "use_gate": True}, (query, value, key)),
        Case("MultiHeadAttention", heads | {"sliding_window": 2}, (query, value)),
        Case("MultiHeadAttention", heads | {"attention_axes": 2, "dropout": 0.2}, (query, query)),
        Case("MultiHeadAttention", heads | {"attention_axes": 2}, (query, value)),  # without an effect
        *(
            Case("MultiHeadAttention", heads | {"attention_axes": axes}, ((3, 4, 6), (3, 4, 6)))
            for axes in (None, 1, 2, (1, 2), (2, 1), -2, -1, (3,))
        ),
        Case("MultiHeadAttention", heads | {"attention_axes": 2}, ((3, 4, 6), (3, 5, 6))),
        Case("GroupQueryAttention", groups, (query, value)),
        Case("GroupQueryAttention", groups | {"use_bias": False}, (query, value, key)),
        Case("GroupQueryAttention", groups | {"num_key_value_heads": 1}, (query, value)),
        Case("GroupQueryAttention", groups | {"num_key_value_heads": 4, "dropout": 0.2}, (query, value)),
        Case("GroupQueryAttention", groups | {"use_gate": True, "dropout": 0.2}, (query, value)),
        Case("GroupQueryAttention", groups | {"sliding_window": 3, "dropout": 0.2}, (query, value)),
    ]
    for scaled in (False, True):
        cases += [Case("AdditiveAttention", {"use_scale": scaled}, (query, value))]
        for mode in ("dot", "concat"):
            cases.append(Case("Attention", {"use_scale": scaled, "score_mode": mode}, (query, value)))
    cases += [
        Case("Attention", {"dropout": 0.3}, (query, (7, 4), value)),
        Case("Attention", {}, ((2, 5, 6), (2, 7, 6))),
        Case("AdditiveAttention", {}, ((2, 5, 6), (2, 7, 3), (2, 7, 6))),
    ]
    return cases


def recurrence() -> list[Case]:
    row, every = ((6, 3),), {"return_sequences": True}
    cases = []
    for name in ("SimpleRNN", "LSTM", "GRU"):
        settings = [
            {}, {"use_bias": False}, {"activation": "elu"}, {"unroll": True}, {"units": 19},
            {"go_backwards": True}, {"go_backwards": True, **every}, {"dropout": 0.3, "recurrent_dropout": 0.2},
        ]  # fmt: skip
        cases += [Case(name, {"units": 5, **own}, row) for own in settings]
    gates = {"recurrent_activation": "hard_sigmoid"}
    cases += [
        Case("LSTM", {"units": 4, "activation": "linear", **gates}, row),
        Case("LSTM", {"units": 4, "unit_forget_bias": False, **every}, row),
        Case("GRU", {"units": 4, "reset_after": False, **every}, row),
        Case("GRU", {"units": 4, "reset_after": False, "use_bias": False, "go_backwards": True}, row),
        Case("GRU", {"units": 17, "reset_after": False, **gates}, row),
        Case("RNN", {"cell": ("GRUCell", {"units": 4}), **every}, row),
        Case("RNN", {"cell": [("LSTMCell", {"units": 4}), ("SimpleRNNCell", {"units": 3})]}, row),
        Case("RNN", {"cell": [("LSTMCell", {"units": 4})] * 2, "go_backwards": True, **every}, row),
    ]
    for merge in ("concat", "sum", "mul", "ave"):
        cases.append(Case("Bidirectional", {"layer": ("LSTM", {"units": 4}), "merge_mode": merge}, row))
    other = ("GRU", {"units": 3, "go_backwards": True, **every})
    cases += [
        Case("Bidirectional", {"layer": ("GRU", {"units": 4, **every})}, row),
        Case("Bidirectional", {"layer": ("SimpleRNN", {"units": 4, **every}), "backward_layer": other}, row),
        Case("TimeDistributed", {"layer": ("Dense", {"units": 4, "activation": "tanh"})}, row),
        Case("TimeDistributed", {"layer": ("BatchNormalization", {"axis": 1})}, ((3, 4, 2),)),
        Case("TimeDistributed", {"layer": ("Conv2D", {"filters": 3, "kernel_size": 2})}, ((2, 4, 5, 2),)),
        Case("TimeDistributed", {"layer": ("LSTM", {"units": 3})}, ((2, 4, 3),)),
        Case("TimeDistributed", {"layer": ("GroupNormalization", {"groups": 2})}, ((2, 3, 4),)),
        Case(
            "TimeDistributed",
            {"layer": ("TimeDistributed", {"layer": ("Dense", {"units": 2})})},
            ((2, 3, 4),),
        ),
    ]
    return cases


def spectral() -> list[Case]:
    """SpectralNormalization around each kind of kernel."""
    einsum = {"equation": "abc,cde->abde", "output_shape": [None, 2, 3], "bias_axes": "e"}
    return [
        Case("SpectralNormalization", {"layer": (name, settings), "power_iterations": turns}, (row,))
        for name, settings, turns, row in (
            ("Dense", {"units": 4, "activation": "tanh", "activity_regularizer": "l2"}, 1, (3, 5)),
            ("Conv2D", {"filters": 3, "kernel_size": 2, "padding": "same"}, 2, (4, 3, 2)),
            ("Conv1D", {"filters": 4, "kernel_size": 2, "groups": 2, "strides": 2}, 1, (5, 4)),
            ("EinsumDense", einsum, 3, (2, 4)),
        )
    ]


FAMILIES: dict[str, list[Case]] = {
    family.__name__: family()
    for family in (
        batch_normalization, layer_normalization, group_normalization, other_normalizations, core,
        activation_layers, regularization, reshaping, pooling, convolution, borders,
        resizing, adaptive_pooling, encoding, image_changes, merging, attention,
        recurrence, spectral,
    )
}  # fmt: skip
ALL = [(name, case) for name, family in FAMILIES.items() for case in family]
