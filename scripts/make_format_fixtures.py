"""Save small networks with whichever Keras runs this script, and record what it predicts.

    KERAS_BACKEND=numpy python scripts/make_format_fixtures.py tests/fixtures/formats NAME [SUFFIX ...]

``NAME`` becomes the start of the files' names. Run once for each release of Keras (with ``tf_keras`` installed and
no ``keras`` wanted, set ``FIXTURE_KERAS=tf_keras``). Works from Keras 1.2 on; each network, or those that
``FIXTURE_CASES`` names, is saved in the given
layouts, such as ``.keras .h5 .json .weights.h5``, and inputs and outputs go into ``NAME-CASE.npz``.
"""

import collections
import collections.abc
import importlib
import inspect
import os
import sys
from pathlib import Path

import numpy as np

# Keras 1 and 2 use names that Python and NumPy have since dropped.
for _name in ("Iterable", "Mapping", "Sequence", "Callable"):
    if not hasattr(collections, _name):
        setattr(collections, _name, getattr(collections.abc, _name))
if not hasattr(inspect, "getargspec"):
    _Spec = collections.namedtuple("_Spec", "args varargs keywords defaults")
    inspect.getargspec = lambda function: _Spec(*inspect.getfullargspec(function)[:4])

if os.environ.get("KERAS_BACKEND") == "theano":
    importlib.import_module("theano.ifelse")  # Keras before 2.1 counts on theano importing it

keras = importlib.import_module(os.environ.get("FIXTURE_KERAS", "keras"))
L = keras.layers
MAJOR = int(keras.__version__.split(".")[0])


def dense(units, **kwargs):
    """A Dense layer in the words of the Keras that runs."""
    if MAJOR == 1:
        kwargs["output_dim"] = units
        return L.Dense(**kwargs)
    return L.Dense(units, **kwargs)


def model_of(inputs, outputs, name):
    """A functional model."""
    if MAJOR == 1:
        return keras.models.Model(input=inputs, output=outputs, name=name)
    return keras.models.Model(inputs, outputs, name=name)


def table():
    """A Sequential: misleading names, missing parts, an activation whose meaning changed, Dropout."""
    first = {"input_shape": (5,)}
    layers = [
        dense(6, name="first", activation="hard_sigmoid", **first),
        L.Dropout(0.4, name="drop"),
        L.BatchNormalization(name="mybn"),
        dense(4, name="second", activation="relu"),
        L.BatchNormalization(name="batch_normalization"),
        L.LeakyReLU(0.2, name="leaky"),
        L.PReLU(name="parametric"),
    ]
    if MAJOR > 1:
        layers += [
            L.BatchNormalization(scale=False, name="noscale"),
            L.BatchNormalization(center=False, name="nocenter"),
        ]
    layers.append(dense(3, name="dense_1", activation="softmax"))
    return keras.models.Sequential(layers, name="table"), [(5,)]


def joined():
    """A functional model: two inputs, two outputs, merges, a nested network used twice and partly frozen."""
    i = L.Input((4,), name="inner_in")
    frozen = dense(4, name="frozen", activation="tanh")
    frozen.trainable = False
    inner = model_of(i, dense(4, name="open")(L.BatchNormalization(name="bn")(frozen(i))), "inner")
    a, b = L.Input((4,), name="a"), L.Input((4,), name="b")
    shared = dense(4, name="shared")
    x, y = inner(shared(a)), shared(b)
    if MAJOR == 1:
        merged = L.Merge(mode="sum", name="added")([x, y])
        wide = L.Merge(mode="concat", concat_axis=-1, name="wide")([merged, b])
    else:
        merged = L.Add(name="added")([x, y])
        wide = L.Concatenate(name="wide")([merged, b])
    out = dense(2, name="out", activation="sigmoid")(L.Dropout(0.3, name="drop")(wide))
    return model_of([a, b], [out, inner(merged)], "joined"), [(4,), (4,)]


def axes():
    """BatchNormalization over lists of axes, which Keras 3 no longer has."""
    layers = [
        L.BatchNormalization(axis=[1, 2], name="each", input_shape=(3, 2)),
        L.BatchNormalization(axis=[1], name="rows"),
        L.Flatten(name="flat"),
        L.BatchNormalization(name="last"),
        dense(2, name="out"),
    ]
    return keras.models.Sequential(layers, name="axes"), [(3, 2)]


def pool(class_name, size, strides, padding, **kwargs):
    """A pooling layer in the words of the Keras that runs."""
    if MAJOR > 1:
        return getattr(L, class_name)(size, strides, padding, **kwargs)
    if class_name.endswith("1D"):
        return getattr(L, class_name)(size, stride=strides, border_mode=padding, **kwargs)
    return getattr(L, class_name)(size, strides, border_mode=padding, **kwargs)


def pooled():
    """Pooling of images and of sequences, and of all of an image."""
    image, steps = L.Input((9, 7, 2), name="image"), L.Input((8, 3), name="steps")
    x = pool("MaxPooling2D", (3, 3), (2, 2), "same", name="largest")(image)
    x = L.BatchNormalization(name="bn")(x)
    parts = [
        L.Flatten(name="flat")(pool("AveragePooling2D", (2, 2), (2, 1), "valid", name="mean")(x)),
        L.GlobalAveragePooling2D(name="mean_of_all")(x),
        L.GlobalMaxPooling2D(name="largest_of_all")(x),
        L.Flatten(name="flat_steps")(pool("MaxPooling1D", 2, 3, "valid", name="steps_max")(steps)),
        L.Flatten(name="flat_means")(pool("AveragePooling1D", 3, 1, "same", name="steps_mean")(steps)),
    ]
    if MAJOR == 1:
        across = pool("MaxPooling2D", (2, 2), (2, 1), "valid", dim_ordering="th", name="across")(image)
        parts.append(L.Flatten(name="flat_across")(across))
        joined = L.Merge(mode="concat", concat_axis=-1, name="joined")(parts)
    else:
        joined = L.Concatenate(name="joined")(parts)
    return model_of([image, steps], dense(3, name="out")(joined), "pooled"), [(9, 7, 2), (8, 3)]


def conv(class_name, filters, size, strides, padding, data_format=None, dilation=1, result=None, **kwargs):
    """A convolution in the words of the Keras that runs."""
    dims = len(size)
    if MAJOR > 1:
        kwargs |= {} if data_format is None else {"data_format": data_format}
        if not class_name.endswith("Transpose"):
            kwargs["dilation_rate"] = (dilation,) * dims
        return getattr(L, class_name)(filters, size, strides=strides, padding=padding, **kwargs)
    names = {"Conv1D": "Convolution1D", "Conv2D": "Convolution2D", "Conv3D": "Convolution3D"}
    names |= {"Conv2DTranspose": "Deconvolution2D", "SeparableConv2D": "SeparableConvolution2D"}
    name = names[class_name] if dilation == 1 else names[class_name].replace("Conv", "AtrousConv")
    kwargs |= {} if dilation == 1 else {"atrous_rate": dilation if dims == 1 else (dilation,) * dims}
    kwargs |= {} if result is None else {"output_shape": result}
    if dims == 1:
        return getattr(L, name)(filters, *size, subsample_length=strides[0], border_mode=padding, **kwargs)
    if data_format is not None:
        kwargs["dim_ordering"] = "th" if data_format == "channels_first" else "tf"
    return getattr(L, name)(filters, *size, subsample=strides, border_mode=padding, **kwargs)


def flat(layers, x):
    """One layer after the other, then all values in a row."""
    for layer in layers:
        x = layer(x)
    return L.Flatten()(x)


def images_convolved(x, size, order):
    """Convolutions over images in one data format, with padding, dilation, strides and their transpose."""
    rows, columns = size
    channels = 1 if order == "channels_first" else -1

    def ends(class_name, *args):
        # In Keras 1 the setting of the session decides, which the file does not have.
        return getattr(L, class_name)(*args, **({"data_format": order} if MAJOR > 1 else {}))

    def shape(filters, *space):
        return (None, filters, *space) if order == "channels_first" else (None, *space, filters)

    rule = {"W_regularizer": "l2"} if MAJOR == 1 else {"kernel_regularizer": "l2"}
    norm = L.BatchNormalization(axis=channels, name="norm")
    straight = [
        conv("Conv2D", 4, (3, 2), (1, 1), "valid", order, name="first", activation="relu", **rule), norm,
        ends("ZeroPadding2D", (1, 2)), conv("Conv2D", 3, (3, 3), (1, 1), "same", order, name="odd"),
        ends("UpSampling2D", (2, 1)), ends("Cropping2D", ((1, 2), (0, 1))),
    ]  # fmt: skip
    transposed = conv(
        "Conv2DTranspose", 2, (3, 2), (2, 2), "valid", order, name="up",
        result=shape(2, 2 * rows + 1, 2 * columns),
    )  # fmt: skip
    parts = [
        flat(straight, x),
        flat([conv("Conv2D", 2, (3, 3), (2, 2), "same", order, name="strided")], x),
        flat([conv("Conv2D", 2, (2, 4), (1, 1), "same", order, name="even")], x),
        flat([conv("Conv2D", 2, (3, 2), (1, 1), "valid", order, dilation=2, name="dilated")], x),
        flat([transposed], x),
    ]
    if os.environ.get("KERAS_BACKEND") != "theano":
        parts.append(flat([conv("SeparableConv2D", 3, (3, 2), (2, 2), "same", order, name="separable")], x))
    return parts


def joined_parts(parts):
    """All values in one row."""
    if MAJOR == 1:
        return L.Merge(mode="concat", concat_axis=-1, name="joined")(parts)
    return L.Concatenate(name="joined")(parts)


def convolved():
    """Convolutions of images, sequences and volumes."""
    shapes = [(8, 7, 2), (9, 3), (4, 5, 4, 2)]
    image, steps, volume = (L.Input(s, name=n) for n, s in zip("isv", shapes, strict=True))
    parts = images_convolved(image, (8, 7), "channels_last")
    along = [
        conv("Conv1D", 4, (3,), (2,), "same", name="steps_strided"), L.UpSampling1D(2), L.ZeroPadding1D(2),
        L.Cropping1D((1, 2)), conv("Conv1D", 3, (3,), (1,), "valid", dilation=2, name="steps_dilated"),
    ]  # fmt: skip
    parts.append(flat(along, steps))
    parts.append(
        flat([conv("Conv3D", 2, (2, 3, 2), (1, 2, 1), "valid", "channels_last", name="volume")], volume)
    )
    return model_of([image, steps, volume], dense(3, name="small")(joined_parts(parts)), "convolved"), shapes


def convolved_first():
    """Convolutions of images and volumes with their channels first."""
    if MAJOR == 1:
        keras.backend.set_image_dim_ordering("th")
    shapes = [(2, 8, 7), (2, 4, 5, 4)]
    image, volume = (L.Input(s, name=n) for n, s in zip("iv", shapes, strict=True))
    parts = images_convolved(image, (8, 7), "channels_first")
    parts.append(
        flat([conv("Conv3D", 2, (2, 3, 2), (1, 2, 1), "valid", "channels_first", name="volume")], volume)
    )
    return model_of([image, volume], dense(3, name="small")(joined_parts(parts)), "convolved_first"), shapes


def convolved_row():
    """A Sequential of convolutions that begins without an InputLayer, as architectures beside weights often do."""
    sign = "/" if MAJOR < 3 else "-"  # Keras 3 takes no slashes
    first = {"activation": "hard_sigmoid", "input_shape": (9, 3)}
    layers = [
        conv("Conv1D", 4, (3,), (1,), "valid", name=f"block{sign}conv", **first),
        L.BatchNormalization(name=f"block{sign}norm"),
        L.Flatten(name="flat"),
        dense(3, name="out", activation="softmax"),
    ]
    return keras.models.Sequential(layers, name="convolved_row"), [(9, 3)]


class Mixing(L.Layer):
    """A layer of your own with weights of its own: a product over the features, and a shift."""

    def __init__(self, units=2, **kwargs):
        self.units = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        """Make the weights."""
        shape = (int(input_shape[-1]), self.units)
        self.mix = self.add_weight(name="mix", shape=shape, initializer="ones")
        self.shift = self.add_weight(name="shift", shape=(self.units,), initializer="ones")
        super().build(input_shape)

    def call(self, x):
        """The product and the shift."""
        return keras.backend.dot(x, self.mix) + self.shift

    def compute_output_shape(self, input_shape):
        """Other features."""
        return (*input_shape[:-1], self.units)

    def get_config(self):
        """Settings for the file."""
        return {**super().get_config(), "units": self.units}


class Block(L.Layer):
    """A layer of your own made of others: dilated convolutions with a normalization, and a path around them."""

    def __init__(self, filters=4, dilation=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.dilation = filters, dilation
        how = {"padding": "causal", "dilation_rate": dilation, "activation": "relu"}
        self.before, self.norm = L.Conv1D(filters, 3, **how), L.BatchNormalization()
        self.after, self.around = L.Conv1D(filters, 2, **how), L.Conv1D(filters, 1)

    def call(self, x):
        """Both paths together."""
        return self.after(self.norm(self.before(x))) + self.around(x)

    def get_config(self):
        """Settings for the file."""
        return {**super().get_config(), "filters": self.filters, "dilation": self.dilation}


def own_first():
    """A Sequential that begins with a layer of your own."""
    layers = [
        Mixing(4, name="mixing", input_shape=(7, 3)),
        L.Conv1D(3, 3, name="conv"),
        L.Flatten(name="flat"),
    ]
    return keras.models.Sequential([*layers, dense(2, name="out")], name="own_first"), [(7, 3)]


def own_blocks():
    """A functional network of layers of your own, one of them frozen."""
    steps = L.Input((9, 4), name="steps")
    second = Block(4, 2, name="second")
    second.trainable = False
    x = second(Block(4, name="first")(steps))
    return model_of(steps, dense(2, name="out")(L.Flatten(name="flat")(x)), "own_blocks"), [(9, 4)]


def through(layers, x):
    """One layer after the other."""
    for layer in layers:
        x = layer(x)
    return x


def stepped():
    """Recurrent layers with the defaults of the Keras that runs, over sequences with masked steps."""
    steps = L.Input((9, 4), name="steps")
    kept = L.Masking(0.0, name="kept")(steps)
    memory = L.LSTM(3, return_sequences=True, name="memory")(kept)
    whole = {"consume_less": "gpu"} if MAJOR == 1 else {}  # in Keras 1 one kernel for all gates
    parts = [
        L.GRU(4, go_backwards=True, name="backwards")(memory),
        L.SimpleRNN(3, name="simple")(memory),
        through(
            [
                L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode="sum", name="both"),
                L.Bidirectional(L.GRU(3), name="ends"),
            ],
            kept,
        ),
        through(
            [L.TimeDistributed(dense(2, name="each_own"), name="each"), L.LSTM(3, name="as_one", **whole)],
            memory,
        ),
        L.GRU(2, name="gru_as_one", **whole)(kept),
    ]
    return model_of([steps], dense(3, name="out")(joined_parts(parts)), "stepped"), [(9, 4)]


def stepped_row():
    """A Sequential of recurrent layers, whose defaults differ from release to release."""
    layers = [
        L.LSTM(4, return_sequences=True, name="memory", input_shape=(9, 4)),
        L.GRU(3, name="gates"),
        dense(2, name="out"),
    ]
    return keras.models.Sequential(layers, name="stepped_row"), [(9, 4)]


def cudnn(runs=False):
    """The layers of Keras 2 that run on GPUs only, or with ``runs`` those that compute the same and run anywhere."""
    if not runs:  # without this, a session refuses a graph with what no device here can run
        tf = importlib.import_module("tensorflow")
        pruned = tf.GraphOptions(place_pruned_graph=True)
        keras.backend.set_session(tf.Session(config=tf.ConfigProto(graph_options=pruned)))
    lstm, gru = (L.LSTM, L.GRU) if runs else (L.CuDNNLSTM, L.CuDNNGRU)
    how = {"recurrent_activation": "sigmoid"} if runs else {}
    after = {**how, "reset_after": True} if runs else {}
    steps = L.Input((7, 5), name="steps")
    memory = lstm(3, return_sequences=True, name="memory", **how)(steps)
    parts = [
        gru(4, name="gates", go_backwards=True, **after)(memory),
        L.Bidirectional(gru(2, **after), name="both")(memory),
        L.Bidirectional(lstm(2, **how), merge_mode="sum", name="sum")(steps),
    ]
    return model_of([steps], dense(3, name="out")(joined_parts(parts)), "cudnn"), [(7, 5)]


def randomize(model, rng):
    """Give every weight values that a fresh network does not have."""
    values = []
    # Before tf.keras, get_weights went layer by layer and model.weights did not.
    old = [int(n) for n in keras.__version__.split(".")[:2]] < [2, 4]
    variables = [w for layer in model.layers for w in layer.weights] if old else model.weights
    for variable, value in zip(variables, model.get_weights(), strict=True):
        name = getattr(variable, "path", None) or variable.name or ""
        low, high = (0.3, 3.0) if "variance" in name or "running_std" in name else (-1.0, 1.0)
        if name.startswith("small"):  # sums over many values stay near 1
            low, high = -0.02, 0.02
        values.append(rng.uniform(low, high, np.shape(value)).astype("float32"))
    model.set_weights(values)


def twin(model, path):
    """A network that runs on any machine, with the weights of ``cudnn`` as Keras itself converts them."""
    model.save_weights(path)
    other, _ = cudnn(runs=True)
    other.load_weights(path)
    return other


def main(folder, name, *suffixes):
    """Save every network in every layout, with its predictions."""
    cases = [table, joined, pooled, convolved]
    # These are made only where FIXTURE_CASES names them.
    more = (convolved_first, convolved_row, own_first, own_blocks, stepped, stepped_row, cudnn)
    cases += [case for case in more if case.__name__ in os.environ.get("FIXTURE_CASES", "").split()]
    if "tf_keras" in keras.__name__ or (MAJOR == 2 and "tf" in name):
        cases.append(axes)
    wanted = os.environ.get("FIXTURE_CASES", "").split()
    for make in [case for case in cases if not wanted or case.__name__ in wanted]:
        rng = np.random.default_rng(0)
        model, shapes = make()
        randomize(model, rng)
        model.compile("sgd", "mse")
        xs = [rng.normal(size=(4, *shape)).astype("float32") for shape in shapes]
        stem = f"{folder}/{name}-{make.__name__}"
        if make is stepped:
            xs[0][1, 5:] = xs[0][2, :3] = xs[0][3, 4] = 0  # steps that are masked
        predicts = model if make is not cudnn else twin(model, f"{stem}.h5")
        ys = predicts.predict(xs if len(xs) > 1 else xs[0], verbose=0)
        ys = ys if isinstance(ys, list) else [ys]
        for suffix in suffixes:
            if suffix == ".json":
                Path(stem + suffix).write_text(model.to_json())
            elif suffix == ".weights.h5":
                model.save_weights(stem + suffix)
            elif suffix == ".old-weights.h5":
                if MAJOR >= 2 and "tf" in name:
                    model.save_weights(stem + suffix, save_format="h5")
                else:
                    model.save_weights(stem + suffix)
            else:
                model.save(stem + suffix)
        arrays = {f"x{i}": x for i, x in enumerate(xs)} | {f"y{i}": y for i, y in enumerate(ys)}
        np.savez(stem + ".npz", **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
