"""IntegerLookup: whole numbers of a vocabulary as indices, and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.layers.adaption import whole_batch
from foldnet.layers.index_lookup import DROPPED, IndexLookup, vocabulary_of
from foldnet.operations.search.op import LIMITS, Lookup
from foldnet.setting_types import Kind, choice, whole

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


def _token(value: object) -> int:
    found = int(whole().read(value))
    if not LIMITS[0] <= found <= LIMITS[1]:
        raise UnsupportedError(f"{found} has more than 32 bits, and foldnet's whole numbers have 32")
    return found


TOKEN = Kind("a whole number", _token)


class IntegerLookup(IndexLookup):
    """The index of each whole number in a vocabulary; of an index the number, with ``invert``.

    Indices begin with that of ``mask_token``, if there is one, and ``num_oov_indices`` for numbers that are not in the
    vocabulary.

    Args:
        max_tokens: the largest size of the vocabulary, those indices included.
        num_oov_indices: how many indices there are for other numbers, which get them by their remainder. With 0, such a
            number is an ``InputError``.
        mask_token: a number that gets index 0, or is left out in all forms but ``"int"``.
        oov_token: what other indices become with ``invert``.
        vocabulary: the numbers, in the order of their indices.
        vocabulary_dtype: ``"int64"``.
        idf_weights: of each number of the vocabulary, for ``"tf_idf"``.
        invert: whether indices become numbers.
        output_mode: ``"int"``, or as rows of 0 and 1: ``"one_hot"``, ``"multi_hot"``, ``"count"``, or ``"tf_idf"``:
            counts times ``idf_weights``; see ``CategoryEncoding``.
        sparse: False.
        pad_to_max_tokens: whether these rows have ``max_tokens`` columns, even if the vocabulary is smaller.
        oov_method: ``"floormod"``.
        salt: None.
    """

    kinds: ClassVar[dict[str, Kind]] = {
        "mask_token": TOKEN.or_none(),
        "oov_token": TOKEN.or_none(),
        "vocabulary": vocabulary_of(TOKEN),
        "vocabulary_dtype": choice("int64"),
        "oov_method": choice("floormod", "farmhash"),
    }
    noun = "number"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("dtype") in ("int64", "int32"):  # files of tf_keras say so, and it makes no difference
            del kwargs["dtype"]
        super().__init__(name=name, **kwargs)
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.vocabulary_dtype = vocabulary_dtype
        self.invert = invert
        self.output_mode = output_mode
        self.sparse = sparse
        self.pad_to_max_tokens = pad_to_max_tokens
        self.oov_method = oov_method
        self.salt = salt
        self._know(vocabulary, idf_weights)

    def _check(self) -> None:
        if self.oov_method == "farmhash" and self.num_oov_indices > 1:
            raise UnsupportedError(
                f'{self.described()}: oov_method="farmhash" hashes numbers that are not in the vocabulary, which '
                'foldnet does not; set oov_method="floormod", or num_oov_indices=1'
            )
        super()._check()

    def read_lines(self, text: str) -> list[int] | None:
        """The numbers, one in each line."""
        lines = text.split()
        return [int(n) for n in lines] if all(re.fullmatch(r"-?\d{1,20}", n) for n in lines) else None

    def read_batch(self, batch: Any) -> Array:
        """Whole numbers."""
        return whole_batch(batch)

    def _table(self) -> Lookup:
        """The table of the vocabulary, and of what is masked."""
        first = len(self.special)
        indices = range(first, first + len(self.tokens))
        pairs = dict(
            zip(indices, self.tokens, strict=True) if self.invert else zip(self.tokens, indices, strict=True)
        )
        if self.mask_token is not None and self.invert:
            pairs[0] = self.mask_token
        elif self.mask_token is not None:
            pairs[self.mask_token] = 0 if self.output_mode == "int" else DROPPED
        keys = tuple(sorted(pairs))
        values = tuple(pairs[key] for key in keys)
        if self.invert:
            return Lookup(keys, values, int(self.oov_token or 0))
        return Lookup(keys, values, self._mask_index, self.num_oov_indices)

    def lower_indices(self, b: Lowering, x: str) -> str:
        """A search in the sorted vocabulary."""
        return b.emit(self._table(), b.int(x))
