"""Hashing: whole numbers and texts into a fixed number of bins."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import FLOAT
from foldnet.graph.texts import Texts, plain_text, text_hash
from foldnet.layers.base import Layer
from foldnet.layers.dtypes import policy_name
from foldnet.layers.encoding import DENSE, encode, encoded_shape, mode
from foldnet.layers.index_lookup import NO_SALT
from foldnet.layers.lookup import TOKEN
from foldnet.layers.tensors import Shape
from foldnet.operations.search.op import Hash, Lookup
from foldnet.setting_types import COUNT, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

WHOLE = ("int64", "int32")
"""Dtypes of the result for ``output_mode="int"``."""


def _mask_value(value: object) -> str | int:
    found: str | int = plain_text(value) if isinstance(value, str | bytes) else TOKEN.read(value)
    return found


class Hashing(Layer):
    """The bin of each text or whole number: FarmHash's fingerprint, modulo the number of bins.

    The fingerprint is that of the text's UTF-8 bytes, or of the number's decimal digits.

    Args:
        num_bins: how many bins there are.
        mask_value: a text or number that gets bin 0 for itself; None if none does.
        salt: None; with one, Keras computes another hash.
        output_mode: ``"int"``, or as rows of 0 and 1: ``"one_hot"``, ``"multi_hot"``, ``"count"``; see
            ``CategoryEncoding``.
        sparse: False.
    """

    takes_texts = True
    kinds: ClassVar[dict[str, Kind]] = {
        "num_bins": COUNT,
        "mask_value": Kind("a text or a whole number", _mask_value).or_none(),
        "salt": NO_SALT,
        "output_mode": mode("int", "one_hot", "multi_hot", "count"),
        "sparse": DENSE,
    }

    def __init__(
        self,
        num_bins: int,
        mask_value: str | int | None = None,
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

    def known_texts(self) -> tuple[Collection[str], int]:
        """The masked text, or any one: others are hashed."""
        return [self.mask_value if isinstance(self.mask_value, str) else ""], self._bins

    @property
    def _masked(self) -> str | int | None:
        """What has bin 0 for itself; with one bin Keras masks nothing."""
        return self.mask_value if self.num_bins > 1 else None

    @property
    def _bins(self) -> int:
        """How many bins there are for hashes."""
        return self.num_bins - (self._masked is not None)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The hash of each text or number.

        Raises:
            UnsupportedError: ``mask_value`` with floats, which Keras compares before it cuts off their fractions.
            ConfigError: ``mask_value`` is a text and the input numbers, or the other way round.
        """
        texts = b.texts_of(inputs[0])
        if self._masked is not None and isinstance(self._masked, str) != (texts is not None):
            raise ConfigError(
                f"layer {self.name!r}: mask_value is {self.mask_value!r}, and the layer's input is "
                f"{'numbers' if texts is None else 'texts'}"
            )
        bins = self._of_numbers(b, inputs[0]) if texts is None else b.emit(self._of_texts(texts), inputs[0])
        return encode(b, bins, self.output_mode, self.num_bins)

    def _of_texts(self, texts: Texts) -> Lookup:
        """The bins of texts that some layer knows; those of others follow from their codes."""
        first = int(self._masked is not None)
        found = [0 if t == self._masked else first + text_hash(t) % self._bins for t in texts.known]
        return Lookup(tuple(range(len(found))), tuple(found), first, self._bins)

    def _of_numbers(self, b: Lowering, x: str) -> str:
        masked = self._masked
        if masked is not None and b.dtype(x) == FLOAT:
            raise UnsupportedError(
                f'layer {self.name!r}: a Hashing with mask_value takes whole numbers; give Input the dtype "int32"'
            )
        return b.emit(Hash(self._bins, None if masked is None else int(masked)), b.int(x))
