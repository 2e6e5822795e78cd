"""What an inference request asks: its tensors, and in which form it wants which results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.files.strict_json import listing, mapping, parse, text, whole
from foldnet.serving.limits import RefusedError
from foldnet.serving.served import Served, Tensor
from foldnet.serving.tensors import DTYPES, TEXTS, from_bytes, from_json
from foldnet.setting_types import near, shown

_NOT_HERE = {
    "classification": "the classification extension; take the results and sort them",
    "shared_memory_region": "shared memory; send the data in the request",
    "sequence_id": "sequences; every request stands alone",
}
"""Parameters that would change the answer, and that no model here has. Others are for other servers' queues."""


@dataclass(frozen=True)
class Wanted:
    """A result that the request asks for.

    Attributes:
        place: among the model's results.
        binary: as bytes after the JSON.
    """

    place: int
    binary: bool


@dataclass(frozen=True)
class InferRequest:
    """A request that was read.

    Attributes:
        id: comes back in the answer; None if there is none.
        inputs: by name.
        wanted: in the order of the answer.
    """

    id: str | None
    inputs: dict[str, Array]
    wanted: tuple[Wanted, ...]


def read_request(body: bytes, head: int | None, model: Served) -> InferRequest:
    """Read the body of ``POST /v2/models/NAME/infer``.

    Args:
        body: after decompression.
        head: so many bytes of it are JSON, and tensors follow; None if all of it is JSON.
        model: that is asked.

    Raises:
        FoldnetError: it is no such request, or does not fit the model.
    """
    if head is not None and not 0 < head <= len(body):
        raise RefusedError(
            400,
            f"Inference-Header-Content-Length is {head}, and the body has {len(body)} bytes of JSON and tensors",
        )
    said = parse(body[:head], "the request", most=len(body))
    identity = said.get("id")
    if identity is not None and not isinstance(identity, str):
        raise RefusedError(400, f"the request's id must be a text, not {shown(identity)}")
    parameters = _parameters(said, "the request")
    binary = _flag(parameters, "binary_data_output", "the request")
    rest = memoryview(body)[len(body) if head is None else head :]
    return InferRequest(identity, _inputs(said, rest, model), _wanted(said.get("outputs"), binary, model))


def _inputs(said: Mapping[str, object], rest: memoryview, model: Served) -> dict[str, Array]:
    if "inputs" not in said:
        raise RefusedError(400, 'the request has no "inputs"')
    inputs: dict[str, Array] = {}
    start = 0
    for given in listing(said["inputs"], "inputs"):
        entry = mapping(given, "an entry of inputs")
        name = text(entry.get("name"), "the name of an input")
        if name in inputs:
            raise RefusedError(400, f"the request has input {name!r} twice")
        tensor = _named(name, model.inputs, "input", model.name)
        shape = _shape(entry.get("shape"), name)
        datatype = _datatype(entry.get("datatype"), tensor)
        parameters = _parameters(entry, f"input {name!r}")
        size = parameters.get("binary_data_size")
        if (size is None) == ("data" not in entry):
            raise RefusedError(400, f"input {name!r} must have either data or the parameter binary_data_size")
        if size is None:
            inputs[name] = from_json(entry["data"], datatype, shape, name)
            continue
        end = start + whole(size, f"binary_data_size of input {name!r}")
        if not start <= end <= len(rest):
            raise RefusedError(
                400,
                f"input {name!r} has binary_data_size {size}, and {len(rest) - start} bytes are left after the JSON",
            )
        inputs[name] = from_bytes(rest[start:end], datatype, shape, name)
        start = end
    if start != len(rest):
        raise RefusedError(400, f"{len(rest) - start} bytes after the JSON belong to no input")
    return inputs


def _shape(given: object, name: str) -> tuple[int, ...]:
    sizes = listing(given, f"the shape of input {name!r}")
    if len(sizes) > 32 or not all(type(n) is int and 0 <= n < 2**63 for n in sizes):
        raise RefusedError(400, f"the shape of input {name!r} must be sizes from 0, not {shown(sizes)}")
    if prod(sizes) == 0:
        raise RefusedError(400, f"input {name!r} has shape {sizes}: there is nothing to predict")
    return tuple(sizes)


def _datatype(given: object, tensor: Tensor) -> str:
    """The datatype of the request's tensor: any numbers for numbers, as a predictor takes them, texts for texts."""
    if not isinstance(given, str) or given not in (TEXTS, *DTYPES):
        raise RefusedError(
            400, f"input {tensor.name!r} has datatype {shown(given)}; {near(str(given), (TEXTS, *DTYPES))}"
        )
    if (given == TEXTS) != (tensor.datatype == TEXTS):
        raise RefusedError(400, f"input {tensor.name!r} takes {tensor.datatype}, and was given {given}")
    return given


def _wanted(given: object, binary: bool | None, model: Served) -> tuple[Wanted, ...]:
    entries = listing([] if given is None else given, "outputs")
    if not entries:
        return tuple(Wanted(place, bool(binary)) for place in range(len(model.outputs)))
    wanted: dict[int, Wanted] = {}
    for given_entry in entries:
        entry = mapping(given_entry, "an entry of outputs")
        name = text(entry.get("name"), "the name of an output")
        place = model.outputs.index(_named(name, model.outputs, "output", model.name))
        if place in wanted:
            raise RefusedError(400, f"the request asks for output {name!r} twice")
        own = _flag(_parameters(entry, f"output {name!r}"), "binary_data", f"output {name!r}")
        wanted[place] = Wanted(place, bool(binary if own is None else own))
    return tuple(wanted.values())


def _named(name: str, tensors: Sequence[Tensor], what: str, model: str) -> Tensor:
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    raise RefusedError(
        400, f"model {model!r} has no {what} {shown(name)}; {near(name, [t.name for t in tensors])}"
    )


def _parameters(given: Mapping[str, object], what: str) -> Mapping[str, object]:
    parameters = mapping(given.get("parameters", {}), f"parameters of {what}")
    for name, instead in _NOT_HERE.items():
        if parameters.get(name):
            raise RefusedError(
                400, f"{what} has the parameter {name}, and this server does not have {instead}"
            )
    return parameters


def _flag(parameters: Mapping[str, object], name: str, what: str) -> bool | None:
    value = parameters.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise FileFormatError(f"{name} of {what} must be true or false, not {shown(value)}")
