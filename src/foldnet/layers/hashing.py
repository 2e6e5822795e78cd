"""Hashing: whole numbers into a fixed number of bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import FLOAT
from foldnet.layers.base import Layer
from foldnet.layers.dtypes import policy_name
from foldnet.layers.encoding import DENSE, encode, encoded_shape, mode
from foldnet.layers.lookup import NO_SALT, TOKEN
from foldnet.layers.tensors import Shape
from foldnet.operations.search.op import Hash
from foldnet.setting_types import COUNT, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

WHOLE = ("int64", "int32")
"""Dtypes of the result for ``output_mode="int"``."""


class Hashing(Layer):
    """The bin of each whole number: FarmHash's fingerprint of its decimal digits, modulo the number of bins.

    Texts, which Keras hashes too, cannot be values of a foldnet network.

    Args:
        num_bins: how many bins there are.
        mask_value: a number that gets bin 0 for itself; None if none does.
        salt: None; with one, Keras computes another hash.
        output_mode: ``"int"``, or as rows of 0 and 1: ``"one_hot"``, ``"multi_hot"``, ``"count"``; see
            ``CategoryEncoding``.
        sparse: False.
    """

    kinds: ClassVar[dict[str, Kind]] = {
        "num_bins": COUNT,
        "mask_value": TOKEN.or_none(),
        "salt": NO_SALT,
        "output_mode": mode("int", "one_hot", "multi_hot", "count"),
        "sparse": DENSE,
    }

    def __init__(
        self,
        num_bins: int,
        mask_value: int | None = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        dtype = kwargs.pop("dtype", None)
        super().__init__(**kwargs)
        self.num_bins = num_bins
        self.mask_value = mask_value
        self.salt = salt
        self.output_mode = output_mode
        self.sparse = sparse
        self.result_dtype = self._result_dtype(dtype)

    def _result_dtype(self, dtype: Any) -> str:
        whole = self.output_mode == "int"
        try:
            name = policy_name(dtype) if dtype is not None else "int64" if whole else "float32"
        except ConfigError as error:
            raise ConfigError(f"{self.described()}: {error}") from None
        if name not in (WHOLE if whole else ("float32",)):
            raise ConfigError(
                f"{self.described()}: dtype must be {'int64 or int32' if whole else 'float32'} with "
                f"output_mode={self.output_mode!r}, not {name!r}"
            )
        return name

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names; ``dtype`` is that of the result."""
        return {**super().get_config(), "dtype": self.result_dtype}

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The shape in the chosen form."""
        return encoded_shape(input_shapes[0], self.output_mode, self.num_bins)

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """That of the settings."""
        return self.result_dtype

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The hash of each number.

        Raises:
            UnsupportedError: ``mask_value`` with floats, which Keras compares before it cuts off their fractions.
        """
        masked = self.mask_value if self.num_bins > 1 else None
        if masked is not None and b.dtype(inputs[0]) == FLOAT:
            raise UnsupportedError(
                f'layer {self.name!r}: a Hashing with mask_value takes whole numbers; give Input the dtype "int32"'
            )
        bins = self.num_bins - (masked is not None)
        return encode(b, b.emit(Hash(bins, masked), b.int(inputs[0])), self.output_mode, self.num_bins)
