"""How a program opens the file of each package: most with one call, some with a class or an architecture beside it."""

from pathlib import Path

import foldnet
from foldnet import Model, layers
from foldnet.sequential import Sequential


def tcn(config, channels):
    """The TCN of keras-tcn: blocks of two dilated convolutions and a path around them, added up at the end."""
    same = {"filters": config["nb_filters"], "padding": config["padding"]}
    x = start = layers.Input((None, channels))
    skips = []
    for number, dilation in enumerate(config["dilations"]):
        block, y = f"residual_block_{number}", x
        for part in range(2):
            y = layers.Conv1D(
                kernel_size=config["kernel_size"],
                dilation_rate=dilation,
                name=f"{block}-conv1D_{part}",
                **same,
            )(y)
            y = layers.Activation(config["activation"])(y)
        y = layers.Activation(config["activation"])(y)  # once more, which matters for a sigmoid
        skips.append(y)
        if x.shape[-1] != config["nb_filters"]:
            x = layers.Conv1D(kernel_size=1, name=f"{block}-matching_conv1D", **same)(x)
        x = layers.Activation(config["activation"])(layers.Add()([x, y]))
    return Model(start, layers.Add()(skips))


def squeeze(config):
    """The SqueezeLayer of crema: it takes out the axis of one position between time and the 72 channels."""
    assert config["axis"] == 2
    return layers.Reshape((-1, 72))


def light_curves(path, _):
    """The networks of astrorapid; those with a TCN have it as a class of its own."""
    channels = 5 if "PS1" in path.name else 3
    return foldnet.load_model(path, custom_objects={"TCN": lambda config: tcn(config, channels)})


def chords(path, _):
    """The network of crema."""
    return foldnet.load_model(path, custom_objects={"SqueezeLayer": squeeze})


def word_ends(path, _):
    """The network of deepcut, whose file has weights alone; its architecture is Python code."""
    characters, types = layers.Input((21,)), layers.Input((21,))
    a = layers.BatchNormalization()(layers.SpatialDropout1D(0.15)(layers.Embedding(178, 32)(characters)))
    branches = []
    for window in range(1, 13):
        filters = 200 if window <= 8 else 150 if window <= 11 else 100
        part = [
            layers.Conv1D(filters, window, activation="relu"),
            layers.TimeDistributed(layers.Dense(5)),
            layers.ZeroPadding1D((0, window - 1)),
        ]
        y = a
        for layer in part:
            y = layer(y)
        branches.append(y)
    b = layers.SpatialDropout1D(0.15)(layers.Embedding(12, 12)(types))
    x = layers.BatchNormalization()(layers.Concatenate()([a, layers.Maximum()(branches), b]))
    x = layers.Dense(100, activation="relu")(layers.Flatten()(x))
    model = Model([characters, types], layers.Dense(1, activation="sigmoid")(x))
    model.load_weights(path)
    return model


def stress(path, beside):
    """The network of russtress: weights, and the JSON of their architecture."""
    return foldnet.load_model(architecture=beside[0], weights=path)


HOW = {"astrorapid": light_curves, "crema": chords, "deepcut": word_ends, "russtress": stress}


def open_file(package: str, path: Path, beside: list[Path]) -> Model | Sequential:
    """The network in a file of a package; ``beside`` are the other files that it needs."""
    if package in HOW:
        return HOW[package](path, beside)
    return foldnet.load_model(path)
