"""Five-fold cross-validation over 100 settings of a small network on the red-wine table, and how long it takes.

With ``--keras`` Keras does the first five of the settings too, on the same folds.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid

from foldnet.sklearn import FoldnetRegressor

TABLE = Path(__file__).resolve().parent.parent / "data" / "wine.csv"
KERAS_SETTINGS = 5
GRID = {
    "hidden_layer_sizes": [(16,), (32,), (32, 16), (64, 32)],
    "normalization": [None, "batch"],
    "learning_rate": [0.0005, 0.001, 0.002, 0.005, 0.01],
    "batch_size": [32, 64, 96, 128, 256],
    "loss": ["mse", "mae"],
}


def chosen(count):
    """Settings spread evenly over the grid, in an order that begins with networks of all kinds."""
    every = list(ParameterGrid(GRID))
    order = np.random.default_rng(0).permutation(len(every))[:count]
    return [every[i] for i in order]


def with_foldnet(x, y, settings, folds, epochs, jobs, backend="threading"):
    """The search, as anyone writes it.

    Threads share what is compiled, and start at once; processes (``"loky"``) take a while to start, and then share all
    of the work.
    """
    # One value in each list: GridSearchCV takes a list of grids, and these have one point each.
    grids = [{name: [value] for name, value in setting.items()} for setting in settings]
    search = GridSearchCV(
        FoldnetRegressor(epochs=epochs, random_state=0),
        grids,
        cv=folds,
        scoring="neg_mean_absolute_error",
        n_jobs=jobs,
        refit=False,
    )
    with parallel_config(backend):
        return search.fit(x, y)


def keras_error(x, y, setting, folds, epochs):
    """Mean absolute error of the same networks trained by Keras."""
    import keras

    keras.utils.set_random_seed(0)
    errors = []
    for train, test in folds.split(x):
        scale = keras.layers.Normalization()
        scale.adapt(x[train])
        layers = [keras.Input((x.shape[1],)), scale]
        for units in setting["hidden_layer_sizes"]:
            batch = setting["normalization"] == "batch"
            layers.append(keras.layers.Dense(units, use_bias=not batch))
            if batch:
                layers.append(keras.layers.BatchNormalization(momentum=0.9))
            layers.append(keras.layers.Activation("relu"))
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(setting["learning_rate"]), setting["loss"])
        model.fit(x[train], y[train], batch_size=setting["batch_size"], epochs=epochs, verbose=0)
        errors.append(np.abs(model.predict(x[test], verbose=0)[:, 0] - y[test]).mean())
    return float(np.mean(errors))


def main(arguments=None):
    """Run it; ``--help`` says with what."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, default=100, help="how many settings (100)")
    parser.add_argument("--folds", type=int, default=5, help="how many folds (5)")
    parser.add_argument("--epochs", type=int, default=50, help="epochs of each fit (50)")
    parser.add_argument("--jobs", type=int, default=-1, help="fits at the same time (as many as processors)")
    parser.add_argument(
        "--backend", default="threading", help="threading or loky, which is processes (threading)"
    )
    parser.add_argument(
        "--keras", action="store_true", help=f"time Keras on the first {KERAS_SETTINGS} settings"
    )
    options = parser.parse_args(arguments)

    table = np.loadtxt(TABLE, delimiter=",", skiprows=1, dtype=np.float32)
    x, y = table[:, :11], table[:, 11]
    settings = chosen(options.settings)
    folds = KFold(options.folds, shuffle=True, random_state=0)

    started = time.perf_counter()
    search = with_foldnet(x, y, settings, folds, options.epochs, options.jobs, options.backend)
    took = time.perf_counter() - started
    fits = len(settings) * options.folds
    print(f"foldnet: {len(settings)} settings, {fits} fits of {options.epochs} epochs in {took:.1f} s")
    print(f"best:    mean absolute error {-search.best_score_:.3f} with")
    for name, value in search.best_params_.items():
        print(f"         {name} = {value}")

    if options.keras:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        some = settings[:KERAS_SETTINGS]
        started = time.perf_counter()
        errors = [keras_error(x, y, setting, folds, options.epochs) for setting in some]
        theirs = time.perf_counter() - started
        print(f"Keras:   {len(some)} settings, {len(some) * options.folds} fits in {theirs:.1f} s")
        print("setting  foldnet  Keras   (mean absolute error)")
        for i, error in enumerate(errors):
            print(f"{i + 1:7}  {-search.cv_results_['mean_test_score'][i]:7.3f}  {error:.3f}")
        ratio = (theirs / len(some)) / (took / len(settings))
        print(f"a setting takes Keras {ratio:.0f} times as long")


if __name__ == "__main__":
    main()
