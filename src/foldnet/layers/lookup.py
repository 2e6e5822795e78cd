"""IntegerLookup: whole numbers of a vocabulary as indices, and back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.layers.adaption import Tokens, token_batches
from foldnet.layers.base import Layer
from foldnet.layers.encoding import DENSE, encode, encoded_shape, mode
from foldnet.layers.tensors import Shape
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.search.op import LIMITS, Lookup
from foldnet.setting_types import COUNT, FLAG, Kind, choice, number, whole

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
DROPPED = -1
"""The index of a masked number in all forms but ``"int"``: none."""


def _token(value: object) -> int:
    found = int(whole().read(value))
    if not LIMITS[0] <= found <= LIMITS[1]:
        raise UnsupportedError(f"{found} has more than 32 bits, and foldnet's whole numbers have 32")
    return found


TOKEN = Kind("a whole number", _token)


def _listed(kind: Kind) -> Kind:
    def read(value: Any) -> list[Any]:
        if isinstance(value, str | bytes | Mapping):
            raise TypeError
        return [kind.read(n) for n in value]

    return Kind(f"a list, each {kind.words}", read).or_none()


def _vocabulary(value: object) -> Any:
    if isinstance(value, str):
        raise UnsupportedError(
            "the name of a file is not read, since it may come from someone else's file; give the numbers as a list"
        )
    return _listed(TOKEN).read(value)


def _no_salt(value: object) -> None:
    if value is not None:
        raise UnsupportedError("a salt makes another hash, which foldnet does not compute; leave it out")


NO_SALT = Kind("None", _no_salt)


class IntegerLookup(Layer):
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
        "max_tokens": whole(2).or_none(),
        "num_oov_indices": whole(0),
        "mask_token": TOKEN.or_none(),
        "oov_token": TOKEN.or_none(),
        "vocabulary": Kind("a list of whole numbers", _vocabulary),
        "vocabulary_dtype": choice("int64"),
        "idf_weights": _listed(number()),
        "invert": FLAG,
        "output_mode": mode(*MODES),
        "sparse": DENSE,
        "pad_to_max_tokens": FLAG,
        "oov_method": choice("floormod", "farmhash"),
        "salt": NO_SALT,
    }
    ignored_settings = frozenset({"vocabulary_size", "has_input_vocabulary"})

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
        self._adapted = False
        self.vocabulary: list[int] | None = self.checked("vocabulary", vocabulary)
        self.idf_weights: list[float] | None = self.checked("idf_weights", idf_weights)
        self._size: int | None = None
        """How many indices an adapted layer has, whose vocabulary is not known yet."""
        self._check()

    def _check(self) -> None:
        who = self.described()
        if self.invert and self.output_mode != "int":
            raise ConfigError(f'{who}: invert=True needs output_mode="int", not {self.output_mode!r}')
        if self.invert and self.oov_token is None:
            raise ConfigError(f"{who}: invert=True needs oov_token, which other indices become")
        if self.idf_weights is not None and self.output_mode != "tf_idf":
            raise ConfigError(f'{who}: idf_weights need output_mode="tf_idf", not {self.output_mode!r}')
        if self.pad_to_max_tokens and self.max_tokens is None:
            raise ConfigError(f"{who}: pad_to_max_tokens=True needs max_tokens")
        if self.oov_method == "farmhash" and self.num_oov_indices > 1:
            raise UnsupportedError(
                f'{who}: oov_method="farmhash" hashes numbers that are not in the vocabulary, which foldnet does not; '
                'set oov_method="floormod", or num_oov_indices=1'
            )
        if self.vocabulary is not None:
            self._check_vocabulary(who)

    def _check_vocabulary(self, who: str) -> None:
        tokens = self.tokens
        if not self.vocabulary:
            raise ConfigError(f"{who}: vocabulary is empty")
        if twice := [token for token, count in Counter(tokens).items() if count > 1]:
            raise ConfigError(f"{who}: vocabulary has {twice[:5]} more than once")
        reserved = {self.mask_token, self.oov_token if self.invert else None} - {None}
        if found := reserved & set(tokens):
            raise ConfigError(
                f"{who}: vocabulary has the special number {found.pop()} among its own; first come {self.special}"
            )
        size = self.vocabulary_size()
        if self.max_tokens is not None and size > self.max_tokens:
            raise ConfigError(f"{who}: vocabulary has {size} numbers, more than max_tokens={self.max_tokens}")
        if self.output_mode == "tf_idf" and len(self.idf_weights or []) != len(self.vocabulary):
            raise ConfigError(
                f"{who}: idf_weights are {len(self.idf_weights or [])}, and the vocabulary has {len(self.vocabulary)}"
            )

    @property
    def special(self) -> list[int | None]:
        """What comes before the vocabulary."""
        masked = [self.mask_token] if self._mask_index else []
        return [*masked, *[self.oov_token] * self.num_oov_indices]

    @property
    def _mask_index(self) -> int:
        """How many indices come before those of other numbers: 1 for a masked number, else 0."""
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def tokens(self) -> list[int]:
        """The vocabulary without what may come before it."""
        vocabulary, special = self.vocabulary or [], self.special
        return vocabulary[len(special) :] if vocabulary[: len(special)] == special else vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[int | None]:
        """The numbers in the order of their indices.

        Args:
            include_special_tokens: whether with those that come before the vocabulary.
        """
        return [*(self.special if include_special_tokens else []), *self.tokens]

    def vocabulary_size(self) -> int:
        """How many indices there are."""
        if self.vocabulary is None and self._size is not None:
            return self._size
        return len(self.special) + len(self.tokens)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        size = None if self.vocabulary is None else self.vocabulary_size()
        return {**super().get_config(), "vocabulary_size": size}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create a layer from its settings; an adapted one only knows its size then."""
        layer = super().from_config(config)
        size = config.get("vocabulary_size")
        layer._size = None if size is None else COUNT(size, layer.described(), "vocabulary_size")
        return layer

    @property
    def asset(self) -> str | None:
        """The vocabulary of an adapted layer, a number in each line."""
        return "vocabulary.txt" if self.vocabulary is None and self._size is not None else None

    def take_asset(self, text: str, beside: Mapping[str, Array]) -> None:
        """Set the vocabulary, which begins with the special numbers."""
        lines = text.split()
        if len(lines) != self._size or not all(re.fullmatch(r"-?\d{1,20}", line) for line in lines):
            raise ConfigError(f"it is not a list of {self._size} whole numbers")
        self.vocabulary, self._adapted = [int(line) for line in lines], True
        if self.output_mode == "tf_idf":
            self.idf_weights = beside["idf_weights"][: len(lines)].tolist()
        self._check()

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Set the vocabulary to the numbers of the data, the most frequent first, up to ``max_tokens``.

        Equally frequent numbers come in falling order, as in Keras. For ``"tf_idf"`` the weight of a number is
        ``log(1 + rows / (1 + rows that have it))``.

        Args:
            data: an array, a table or a list, a dataset with numbered batches (a ``PyDataset``), or an iterable of
                batches.
            steps: how many batches to take, for an endless iterable; None for all.

        Raises:
            ConfigError: the layer was given its vocabulary.
            InputError: the data is not whole numbers, or has none.
            UnsupportedError: a number beyond 32 bits.

        >>> layer = IntegerLookup()
        >>> layer.adapt([5, 7, 7, 9])
        >>> layer.get_vocabulary()
        [-1, 7, 9, 5]
        """
        who = self.described()
        if self.vocabulary is not None and not self._adapted:
            raise ConfigError(f"{who} was given its vocabulary, so adapt has nothing to do")
        steps = COUNT.or_none()(steps, who, "steps")
        seen = Tokens()
        try:
            for batch in token_batches(data, steps):
                seen.add(batch)
        except InputError as error:
            raise type(error)(f"{who}: {error}") from None
        tokens = seen.most({self.mask_token, self.oov_token})
        if self.max_tokens is not None:
            tokens = tokens[: max(self.max_tokens - len(self.special), 0)]
        if not tokens:
            raise InputError(f"{who}: adapt found no number for its vocabulary")
        self.vocabulary = tokens
        self.idf_weights = seen.rarity(tokens) if self.output_mode == "tf_idf" else None
        self._adapted, self._size = True, None
        self._check()

    def stored_beside(self) -> dict[str, Array]:
        """The weight of each column, as Keras's layer keeps it."""
        if self.output_mode != "tf_idf":
            return {}
        weights = np.zeros(self.depth) if self.idf_weights is None else self._weights()
        return {"idf_weights": weights.astype(np.float32)}

    @property
    def depth(self) -> int:
        """The number of columns of all forms but ``"int"``."""
        return int(self.max_tokens or 0) if self.pad_to_max_tokens else self.vocabulary_size()

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The shape in the chosen form."""
        return encoded_shape(input_shapes[0], self._form, self.depth)

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """Whole numbers, or rows of 0 and 1."""
        return "int64" if self.output_mode == "int" else "float32"

    @property
    def _form(self) -> str:
        return "count" if self.output_mode == "tf_idf" else self.output_mode

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

    def lower(self, b: Lowering, *inputs: str) -> str:
        """A search in the sorted vocabulary."""
        if self.vocabulary is None:
            raise UnsupportedError(
                f"layer {self.name!r} has no vocabulary yet: call its adapt on data, or give it the numbers, such "
                "as get_vocabulary() of the layer that was adapted in Keras"
            )
        x = encode(b, b.emit(self._table(), b.int(inputs[0])), self._form, self.depth)
        if self.output_mode != "tf_idf":
            return x
        weights = self._weights().reshape((1,) * (len(b.shape(x)) - 2) + (-1,))
        return b.emit(Binary(kind="multiply"), x, b.layer_constant(self, "idf_weights", weights))

    def _weights(self) -> Array:
        """A weight for each column: the mean for other numbers if they have none, 0 for columns without a number."""
        found = np.array(self.idf_weights, np.float64)
        before = len(self.special) if self.tokens == self.vocabulary else 0
        found = np.concatenate([np.full(before, found.mean()), found])
        return np.pad(found, (0, self.depth - len(found)))
