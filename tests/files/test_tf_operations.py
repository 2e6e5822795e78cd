"""Functions of TensorFlow between the layers of tf.keras's files, as its releases from 2.1 to 2.21 wrote them.

``scripts/make_operation_fixtures.py`` made the files; what they predict, and what they are after a training, is what
each release recorded.
"""

import gzip
import importlib.util
import inspect
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

import foldnet
from foldnet.engines.training import training_engine
from foldnet.errors import FileFormatError, FoldnetError, UnsupportedError
from foldnet.files.read_config import Reader
from foldnet.files.tf import functions, nodes
from foldnet.layers.operation import Operation
from foldnet.training import trainer
from tests.support.arrays import arrays_of

FOLDER = Path(__file__).parent.parent / "fixtures" / "operations"
MIXED = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".h5", ".keras"))
FUNCTIONS = sorted(path.name for path in FOLDER.iterdir() if path.suffix == ".gz")


def recorded(stem):
    arrays = arrays_of(FOLDER / f"{stem}.npz")
    inputs = [arrays[k] for k in sorted(arrays) if k.startswith("x")]
    return inputs, [arrays[f"y{k}"] for k in range(sum(k.startswith("y") for k in arrays))]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert a.shape == b.shape, k
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=str(k))


@pytest.fixture(scope="module", params=FUNCTIONS)
def whole(request):
    """The network of all functions, what it is given, and what tf.keras predicts."""
    config = json.loads(gzip.decompress((FOLDER / request.param).read_bytes()))
    return Reader(2).network(config), *recorded(request.param.removesuffix(".json.gz"))


def test_every_generation_is_here():
    assert {name.split("-")[1] for name in MIXED} == {"2.1", "2.3", "2.4", "2.15", "2.21"}
    assert {name.split("-")[1] for name in FUNCTIONS} == {"2.3", "2.21"}


def test_functions_predict(whole):
    # The native engine computes the same operations in tests/ops, and what compiles fast below.
    network, inputs, expected = whole
    assert_same(foldnet.freeze(network, engine="reference")(*inputs), expected)


def test_functions_saved_again_open_in_keras_3(whole, tmp_path):
    network, inputs, expected = whole
    network.save(tmp_path / "again.keras")
    theirs = keras.models.load_model(tmp_path / "again.keras")
    assert_same([np.asarray(y) for y in theirs(inputs)], expected)
    assert_same(foldnet.freeze(tmp_path / "again.keras", engine="reference")(*inputs), expected)


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_networks_predict_and_train(name, engine, monkeypatch):
    monkeypatch.setattr(trainer, "training_engine", partial(training_engine, engine=engine))
    network = foldnet.load_model(FOLDER / name)
    assert network.keras_version.startswith("2.")
    stem = name.removesuffix(".h5").removesuffix(".keras")
    inputs, expected = recorded(stem)
    assert_same(foldnet.freeze(network, engine=engine)(*inputs), expected)
    network.compile(foldnet.optimizers.SGD(0.1), "mse")
    targets = [np.ones_like(y) for y in expected]
    network.fit(inputs, targets, epochs=3, batch_size=4, shuffle=False, verbose=0)
    weights = arrays_of(FOLDER / f"{stem}.npz")
    count = 0
    for layer in network.single_layers():
        for key, value in layer.named_weights.items():
            np.testing.assert_allclose(value, weights[f"{layer.name}/{key}"], rtol=1e-4, atol=1e-5)
            count += 1
    assert count == 10


def test_names_are_those_of_the_file():
    network = foldnet.load_model(FOLDER / "tf_keras-2.21-mixed.keras")
    names = [layer.name for layer in network.operations]
    assert {"tf.__operators__.add_34", "tf.concat_1", "tf.math.sigmoid_1", "tf.nn.relu_6"} <= set(names)
    assert [layer.name for layer in network.layers] == ["b", "a", "inner", "norm", "gate", "out"]
    text = str(foldnet.explain(network))
    assert "tf.nn.relu_6" in text
    assert "tf.concat_1" in text
    old = foldnet.load_model(FOLDER / "tf-2.3-mixed.h5")
    assert "tf_op_layer_Sigmoid_1" in [layer.name for layer in old.operations]


def test_networks_copy_and_export(tmp_path):
    network = foldnet.load_model(FOLDER / "tf_keras-2.21-mixed.h5")
    inputs, expected = recorded("tf_keras-2.21-mixed")
    clone = foldnet.models.clone_model(network)
    clone.set_weights(network.get_weights())
    assert_same(foldnet.freeze(clone, engine="reference")(*inputs), expected)
    foldnet.freeze(network, engine="reference").to_numpy(tmp_path / "mixed.py")
    spec = importlib.util.spec_from_file_location("mixed", tmp_path / "mixed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert_same(module.predict(*inputs), expected)


def test_each_op_of_graphs_fits_its_function():
    for op, record in nodes.OPS.items():
        found = functions.found(record.function)
        assert found is not None, op
        parameters = inspect.signature(found[1]).parameters
        names = [*(name.lstrip("*") for name in record.inputs), *record.attributes.values()]
        assert set(names) <= set(parameters), op
        needed = {p.name for p in parameters.values() if p.default is p.empty}
        assert needed <= set(names), op


def function_network(function, node, kind="TFOpLambda", **config):
    """A network of one function on an input of shape (4, 3)."""
    name = "tf.f"
    config = {"name": name, "trainable": True, "dtype": "float32", "function": function, **config}
    layers = [
        {"class_name": "InputLayer", "name": "x", "inbound_nodes": [], "config": {
            "batch_input_shape": [None, 4, 3], "dtype": "float32", "sparse": False, "ragged": False, "name": "x"}},
        {"class_name": kind, "name": name, "inbound_nodes": [node], "config": config},
    ]  # fmt: skip
    if kind == "TensorFlowOpLayer":
        name = layers[1]["name"] = "tf_op_layer_f"
        config["name"] = "f"
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[name, 0, 0]]}
    return Reader(2).network({"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}})


def refused(*args, error=UnsupportedError, **kwargs):
    with pytest.raises(error) as caught:
        function_network(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("function", "node", "words"),
    [
        ("io.read_file", ["x", 0, 0, {}], ("tf.f", "io.read_file", "it has")),
        ("math.exp.__globals__", ["x", 0, 0, {}], ("math.exp.__globals__",)),
        ("math.add", ["x", 0, 0, {"y": 1.0, "offset": 2}], ("offset=2",)),
        ("math.reduce_sum", ["x", 0, 0, {}], ("axis=(1, 2)",)),
        ("math.argmax", ["x", 0, 0, {}], ("batch",)),
        ("compat.v1.gather", ["x", 0, 0, {"indices": [0], "axis": 1, "batch_dims": 1}], ("batch_dims",)),
        ("cast", ["x", 0, 0, {"dtype": "float64"}], ("float64",)),
        ("nn.bias_add", ["x", 0, 0, {"bias": [1.0, 2.0, 3.0], "data_format": "NCHW"}], ("NCHW",)),
        ("compat.v1.shape", ["x", 0, 0, {}], ("tf.f", "as a tensor")),
    ],
)
def test_what_is_not_in_the_table_is_refused_by_name(function, node, words):
    text = refused(function, node)
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    "node",
    [
        ["x", 0, 0, {}],
        ["x", 0],
        [],
        ["x", 0, 0, {"y": {"class_name": "wrong"}}],
        ["x", 0, 0, {"y": ["z", 0, 0]}],
        ["x", 0, 0, {"y": "text"}],
        ["x", 0, 0, 5],
        ["_CONSTANT_VALUE", -1, 1.0, {"y": 2.0}],
        [["x", 0, 0, {"y": 1.0}], ["x", 0, 0]],
        "x",
    ],
)
def test_strange_calls_are_refused(node):
    refused("math.add", node, error=FoldnetError)


def test_arguments_that_a_file_lost_are_named():
    assert "has no argument y" in refused("math.equal", ["x", 0, 0, {}], error=FileFormatError)


@pytest.mark.parametrize("kind", ["ClassMethod", "InstanceProperty", "InstanceMethod"])
def test_ragged_and_sparse_tensors_are_refused_by_name(kind):
    names = {"cls_symbol": "RaggedTensor", "method_name": "from_tensor", "attr_name": "values"}
    text = refused(None, ["x", 0, 0, {}], kind=kind, **names)
    assert kind in text
    assert "ragged or sparse" in text
    assert ("from_tensor" if kind == "ClassMethod" else "values") in text


def node_network(op, inputs=(("x", 0, 0, {}),), constants=None, attr=None):
    node_def = {"name": "f", "op": op, "input": ["x"], "attr": attr or {}}
    return function_network(
        None,
        [list(i) for i in inputs],
        kind="TensorFlowOpLayer",
        node_def=node_def,
        constants=constants or {},
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("Unheard",), "Unheard"),
        (("AddV2",), "1 inputs"),
        (("AddV2", (("x", 0, 0, {}),), {"5": 1.0}), "input 5"),
        (("AddV2", (("x", 0, 0, {}),), {"one": 1.0}), "'one'"),
        (("Cast", (("x", 0, 0, {}),), {}, {"DstT": {"type": "DT_STRING"}}), "DT_STRING"),
        (("Cast", (("x", 0, 0, {}),), {}, {"DstT": {"type": []}}), "is not valid"),
        (("Squeeze", (("x", 0, 0, {}),), {}, {"squeeze_dims": {"list": {"i": ["q"]}}}), "is not valid"),
        (("Pack", (("x", 0, 0, {}),), {}, {"axis": {"i": "1", "f": 2}}), "one value"),
    ],
)
def test_strange_nodes_are_refused(arguments, words):
    with pytest.raises(FoldnetError, match=words):
        node_network(*arguments)


def test_a_function_is_no_layer():
    from foldnet.files.tf.layers import FunctionLayer

    layer = FunctionLayer("tf.f", "TFOpLambda", "math.exp")
    with pytest.raises(FileFormatError, match="not a layer"):
        foldnet.Sequential([foldnet.Input((3,)), layer])
    assert all(isinstance(x, Operation) for x in node_network("Exp").operations[1:])
