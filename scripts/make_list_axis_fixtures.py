"""Write tests/fixtures/tf_keras_layers.npz: what tf_keras predicts with layers that Keras 3 has dropped or changed.

Run it with a Python that has tensorflow and tf_keras:  python scripts/make_list_axis_fixtures.py

For each case ``i`` the archive holds ``config_i`` (JSON: class_name, config, input_shape), ``weights_i_j`` in
tf_keras's order, ``x_i`` and ``y_i``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import tf_keras
from tf_keras import layers

OUT = Path(__file__).parents[1] / "tests" / "fixtures" / "tf_keras_layers.npz"
ROWS = {2: (5,), 3: (3, 4), 4: (3, 4, 5), 5: (2, 3, 4, 2)}

BATCH_AXES: list[tuple[int, Any]] = [
    (2, [1]), (2, -1), (3, [1, 2]), (3, [-1]), (3, [2, 1]), (4, [1, 2, 3]), (4, [1, 3]), (4, [3]), (4, [-1, 1]),
    (4, [2]), (5, [1, 4]), (5, [1, 2, 3, 4]), (5, [-1]),
]  # fmt: skip


def cases() -> list[tuple[Any, tuple[int, ...]]]:
    """Layers and the shapes of their rows."""
    found: list[tuple[Any, tuple[int, ...]]] = [
        (layers.BatchNormalization(axis=axis, name=f"bn_{i}"), ROWS[rank])
        for i, (rank, axis) in enumerate(BATCH_AXES)
    ]
    found += [
        (layers.BatchNormalization(axis=[1, 2], scale=False), ROWS[3]),
        (layers.BatchNormalization(axis=[1, 3], center=False), ROWS[4]),
        (layers.BatchNormalization(axis=[1, 3], renorm=True), ROWS[4]),
        (layers.LayerNormalization(axis=[1, 2]), ROWS[3]),
        (layers.LayerNormalization(axis=[1, 3]), ROWS[4]),
        (layers.UnitNormalization(axis=[1, 2]), ROWS[3]),
        (layers.GroupNormalization(groups=2, axis=1), (4, 3)),
        (layers.Activation("hard_sigmoid"), ROWS[3]),
        (layers.Dense(4, activation="swish"), ROWS[2]),
        (layers.LeakyReLU(alpha=0.17), ROWS[3]),
        (layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5), ROWS[3]),
        (layers.ThresholdedReLU(theta=0.6), ROWS[3]),
        (layers.PReLU(shared_axes=[1]), ROWS[3]),
        (layers.Softmax(axis=[1, 2]), ROWS[3]),
        (layers.SpatialDropout1D(0.3), ROWS[3]),
        (layers.Normalization(axis=[1, 3]), ROWS[4]),
    ]
    return found


def telling(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Values that differ in every place, and from a fresh weight."""
    if "variance" in name or "stddev" in name:
        return np.float32(10.0 ** rng.uniform(-1, 1, shape))
    if "count" in name:
        return np.zeros(shape, np.int64)
    return np.float32(rng.normal(0.5, 1.0, shape))


def main() -> None:
    """Compute and write every case."""
    rng = np.random.default_rng(20240607)
    arrays: dict[str, np.ndarray] = {}
    for i, (layer, row) in enumerate(cases()):
        x = np.float32(rng.normal(size=(4, *row)) * 2 + rng.normal(size=row))
        layer.build((None, *row))
        layer.set_weights([telling(w.name, tuple(w.shape), rng) for w in layer.weights])
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
        record = {"class_name": type(layer).__name__, "config": layer.get_config(), "input_shape": row}
        arrays[f"config_{i}"] = np.array(json.dumps(tf_keras.utils.serialize_keras_object(record)))
        arrays |= {f"weights_{i}_{j}": np.asarray(w, np.float32) for j, w in enumerate(layer.get_weights())}
        arrays[f"x_{i}"], arrays[f"y_{i}"] = x, layer(x, training=False).numpy()
    OUT.parent.mkdir(exist_ok=True)
    np.savez_compressed(OUT, **arrays)
    print(f"{OUT.name}: {len(cases())} cases, {OUT.stat().st_size} bytes, tf_keras {tf_keras.__version__}")


if __name__ == "__main__":
    main()
