"""BatchNormalization's ``axis`` in networks that read images: right, wrong, and one statistic for each pixel.

``python examples/digits_axis.py`` takes half a minute. ``python examples/digits_axis.py 5 FOLDER`` trains from five
random starts instead of three, and keeps networks in a folder, for ``foldnet explain`` and ``foldnet doctor``.

The images are scikit-learn's handwritten digits: as they are, 8 x 8 with the channels last, and drawn twice as large
on 28 x 28 with the channels first. All networks of one size differ in nothing but ``axis``.
"""

import sys
import textwrap
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import foldnet
from foldnet import Sequential, layers, optimizers

TRAINED, EPOCHS = 1200, 8
AXES = {
    "right": {"channels_last": -1, "channels_first": 1},
    "wrong": {"channels_last": 1, "channels_first": -1},  # rows of pixels, columns of pixels
    "pixels": {"channels_last": [1, 2, 3], "channels_first": [1, 2, 3]},  # as Keras 2 had it
}


def digits():
    """1797 images (rows, 8, 8) from 0 to 1, and which digit each is, in mixed order."""
    images, digit = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return (images[order].reshape(-1, 8, 8) / 16).astype(np.float32), digit[order]


def enlarged(images):
    """Images of 8 x 8 drawn on 16 x 16, with values between neighbors, in the middle of 28 x 28."""
    ends = np.linspace(0, 7, 16)
    low = np.minimum(ends.astype(int), 6)
    share = (ends - low).astype(np.float32)
    down = images[:, low] * (1 - share[:, None]) + images[:, low + 1] * share[:, None]
    both = down[:, :, low] * (1 - share) + down[:, :, low + 1] * share
    return np.pad(both, ((0, 0), (6, 6), (6, 6)))


def moved(images, most=6):
    """Each image moved by up to ``most`` pixels up or down and to a side; the border is empty, so nothing is lost."""
    steps = np.random.default_rng(1).integers(-most, most + 1, (len(images), 2))
    return np.stack([np.roll(image, step, (0, 1)) for image, step in zip(images, steps, strict=True)])


def network(shape, data_format, axis):
    """Convolutions, each normalized; the largest value of each channel, wherever it is, decides."""
    stack = [layers.Input(shape)]
    for number, filters in enumerate((8, 16) if 8 in shape else (8, 16, 16), 1):
        stack += [layers.MaxPooling2D(2, data_format=data_format)] * (number > 1)
        stack += [
            layers.Conv2D(
                filters, 3, padding="same", use_bias=False, data_format=data_format, name=f"conv_{number}"
            ),
            # Short fits: with the default 0.99 the statistics would still hold much of their start, 0 and 1.
            layers.BatchNormalization(axis=axis, momentum=0.9, name=f"norm_{number}"),
            layers.Activation("relu"),
        ]
    top = layers.GlobalMaxPooling2D(data_format=data_format)
    return Sequential([*stack, top, layers.Dense(10, activation="softmax")], name="digits")


def placed(images, data_format):
    """Images with an axis for their one channel."""
    return images[..., None] if data_format == "channels_last" else images[:, None]


def trained(x, digit, data_format, axis, seed, batch_size=32, epochs=EPOCHS):
    """A network after its training, and the accuracy of its last epoch, in which each batch is normalized by itself."""
    foldnet.utils.set_random_seed(seed)
    model = network(x.shape[1:], data_format, axis)
    model.compile(optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, digit, batch_size=batch_size, epochs=epochs, verbose=0)
    return model, history.history["accuracy"][-1]


def accuracy(model, x, digit):
    """The share of digits that are recognized at prediction time, with the moving statistics."""
    return float((model.predict(x, verbose=0).argmax(axis=1) == digit).mean())


def experiment(images, digit, data_format, axis, seeds, other):
    """Accuracy from several random starts: in training, on digits held out, and in a harder case.

    ``other`` is the harder case: images held out that are moved, or None for training in batches of 2.

    Returns:
        The first network, and an array (seeds, 3).
    """
    x = placed(images, data_format)
    seen, held_out = (x[:TRAINED], digit[:TRAINED]), (x[TRAINED:], digit[TRAINED:])
    models, found = [], []
    for seed in range(seeds):
        model, live = trained(*seen, data_format, axis, seed)
        if other is None:
            harder = accuracy(trained(*seen, data_format, axis, seed, batch_size=2)[0], *held_out)
        else:
            harder = accuracy(model, placed(other, data_format), digit[TRAINED:])
        models.append(model)
        found.append((live, accuracy(model, *held_out), harder))
    return models[0], np.array(found)


def table(images, digit, data_format, seeds, other, folder):
    """Train with each axis, and print a row for each. Returns the figures and a network by kind of axis.

    Parameters are those of all normalizations of the network, statistics and variances those of the first one.
    """
    title = "batches of 2" if other is None else "moved"
    heads = f"{'axis':10} {'statistics':16} {'parameters':>10} {'variances':>18}"
    print(f"{heads} {'in training':>12} {'held out':>12} {title:>14}")
    figures, models = {}, {}
    for kind, by_format in AXES.items():
        axis = by_format[data_format]
        model, found = experiment(images, digit, data_format, axis, seeds, other)
        count = sum(layer.count_params() for layer in model.layers if layer.name.startswith("norm"))
        variance = model.get_layer("norm_1").moving_variance.numpy()
        spread = f"{variance.min():.2g} to {variance.max():.2g}"
        live, held_out, harder = (
            f"{a:.2f} to {b:.2f}" for a, b in zip(found.min(0), found.max(0), strict=True)
        )
        print(
            f"{axis!s:10} {variance.shape!s:16} {count:10,} {spread:>18} {live:>12} {held_out:>12} {harder:>14}"
        )
        figures[kind], models[kind] = found.mean(axis=0), model
        if folder is not None:  # .keras cannot hold a list of axes, since Keras 3 could not open it
            ending = "h5" if kind == "pixels" else "keras"
            model.save(Path(folder) / f"digits_{len(images[0])}_{kind}.{ending}")
    return figures, models


def filled(text, indent):
    return textwrap.fill(text, 98, subsequent_indent=" " * indent)


def what_tools_say(models, data_format):
    """What explain and doctor say of the first normalization."""
    for model in models.values():
        axis = model.get_layer("norm_1").axis
        words = " ".join(str(foldnet.explain(model, layer="norm_1")).split())
        kept = words.partition("separate statistics: ")[2].partition(". Mean")[0]
        means = words.partition("So there are ")[2].partition(". They")[0]
        print(f"\naxis={axis}")
        print(filled(f"  explain: keeps {kept}; {means}", 11))
        for found in foldnet.doctor(model):
            if found.layer == "norm_1" and found.severity != "note":
                print(filled(f"  doctor:  {found.severity}, {found.check}: {found.message}", 11))
        try:
            network(tuple(None if size > 1 else 1 for size in model.input_shape[1:]), data_format, axis)
            print("  images of any size: yes")
        except foldnet.errors.ConfigError as refused:
            print(filled(f"  images of any size: no, {str(refused).split('): ')[1]}", 11))


def largest_difference(model, images, own, other):
    """How far predictions are apart if the same weights work on the same images in the other layout."""
    turned = network(placed(images, other).shape[1:], other, AXES["right"][other])
    turned.set_weights(model.get_weights())
    a, b = (m.predict(placed(images, at), verbose=0) for m, at in ((model, own), (turned, other)))
    return float(np.abs(a - b).max())


def conclusion(of_small, of_large):
    """What the figures show, and what they do not."""
    right, wrong, pixels = (of_large[kind] for kind in AXES)
    small_right, small_wrong, small_pixels = (of_small[kind] for kind in AXES)
    said = (
        f"Digits held out tell little: {right[1]:.2f} with the right axis, {wrong[1]:.2f} with the wrong one, "
        f"{pixels[1]:.2f} with [1, 2, 3]. They are all in the middle, as those in training, and training finds "
        "kernels that suit the statistics.",
        f"Digits that are moved tell: {right[2]:.2f}, {wrong[2]:.2f} and {pixels[2]:.2f}. A convolution does the "
        "same everywhere; a normalization that keeps statistics of places does not. None of the networks has seen "
        "a moved digit, and none is perfect on them.",
        "[1, 2, 3] takes each mean from as many values as the batch has images. In batches of 2 it learns less: "
        f"{small_pixels[2]:.2f}, with the right axis {small_right[2]:.2f}. In batches of 32 they are near each "
        f"other: {small_pixels[1]:.2f} and {small_right[1]:.2f}.",
        "On 8 x 8 images, which the digits fill, this shows little against the wrong axis: "
        f"{small_wrong[1]:.2f}, in batches of 2 {small_wrong[2]:.2f}.",
    )
    lines = (filled(f"- {text}", 2) for text in said)
    return "\n".join(("What the figures show, on average over the random starts:", *lines))


def main(seeds=3, folder=None):
    """Train, and print what comes out. Returns the figures: in training, held out, in the harder case."""
    small, digit = digits()
    large = enlarged(small)
    print(
        f"{TRAINED} digits are seen, {len(digit) - TRAINED} held out; accuracy from {seeds} random starts\n"
    )
    print("8 x 8, channels last")
    of_small, small_models = table(small, digit, "channels_last", seeds, None, folder)
    print("\n28 x 28, channels first")
    of_large, large_models = table(large, digit, "channels_first", seeds, moved(large[TRAINED:]), folder)
    print("\n28 x 28: what is said of the first normalization")
    what_tools_say(large_models, "channels_first")

    apart = max(
        largest_difference(small_models["right"], small[TRAINED:], "channels_last", "channels_first"),
        largest_difference(large_models["right"], large[TRAINED:], "channels_first", "channels_last"),
    )
    print(
        f"\nThe right axis, the same weights in the other layout: probabilities at most {apart:.1g} apart.\n"
    )
    print(conclusion(of_small, of_large))
    return of_small, of_large, apart


if __name__ == "__main__":
    main(*(convert(text) for convert, text in zip((int, str), sys.argv[1:], strict=False)))
