"""Networks whose pages are tested."""

import numpy as np

from foldnet import Model, layers
from tests.insight.insight_networks import fill

HOSTILE = "</script><img src=x onerror=document.title='caught'>"


def branches():
    """Two inputs, branches that pass layers by, every kind of row normalization, and a name that means harm."""
    left, right = layers.Input((6, 5), name="left"), layers.Input((6, 5), name=HOSTILE)
    x = layers.LayerNormalization(name="ln")(layers.Dense(4, name="d1")(left))
    y = layers.GroupNormalization(2, name="gn")(layers.Dense(4, name="d2")(right))
    z = layers.BatchNormalization(axis=1, name="bn' onclick=alert(1) \"")(layers.Add(name="sum")([x, y]))
    z = layers.RMSNormalization(name="rms")(layers.Dropout(0.4, name="drop")(z))
    end = layers.Concatenate(name="cat")([z, x, layers.UnitNormalization(name="unit")(y)])
    return fill(Model([left, right], [end, layers.Normalization(name="data")(left)], name="branches"))


def rows(model, count=7, seed=0):
    generator = np.random.default_rng(seed)
    arrays = [generator.normal(2, 3, (count, *t.shape[1:])).astype(np.float32) for t in model.inputs]
    return arrays[0] if len(arrays) == 1 else arrays
