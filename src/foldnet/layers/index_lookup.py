"""What IntegerLookup and StringLookup share: a vocabulary, whose tokens become indices."""

from __future__ import annotations

from abc import abstractmethod
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
from foldnet.setting_types import COUNT, FLAG, Kind, number, whole

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
DROPPED = -1
"""The index of a masked token in all forms but ``"int"``: none."""


def listed(kind: Kind) -> Kind:
    """A list of such values."""

    def read(value: Any) -> list[Any]:
        if isinstance(value, str | bytes | Mapping):
            raise TypeError
        return [kind.read(n) for n in value]

    return Kind(f"a list, each {kind.words}", read).or_none()


def vocabulary_of(kind: Kind) -> Kind:
    """A vocabulary of such tokens."""

    def read(value: object) -> Any:
        if isinstance(value, str):
            raise UnsupportedError(
                "the name of a file is not read, since it may come from someone else's file; give the tokens as a list"
            )
        return listed(kind).read(value)

    return Kind(f"a list, each {kind.words}", read)


def _no_salt(value: object) -> None:
    if value is not None:
        raise UnsupportedError("a salt makes another hash, which foldnet does not compute; leave it out")


NO_SALT = Kind("None", _no_salt)


class IndexLookup(Layer):
    """The index of each token in a vocabulary.

    A subclass has the settings of ``IntegerLookup``; ``noun`` is what a token is.
    """

    kinds: ClassVar[dict[str, Kind]] = {
        "max_tokens": whole(2).or_none(),
        "num_oov_indices": whole(0),
        "idf_weights": listed(number()),
        "invert": FLAG,
        "output_mode": mode(*MODES),
        "sparse": DENSE,
        "pad_to_max_tokens": FLAG,
        "salt": NO_SALT,
    }
    ignored_settings = frozenset({"vocabulary_size", "has_input_vocabulary"})
    noun: ClassVar[str] = "token"

    max_tokens: int | None
    num_oov_indices: int
    mask_token: Any
    oov_token: Any
    invert: bool
    output_mode: str
    pad_to_max_tokens: bool

    def _know(self, vocabulary: Any, idf_weights: Any) -> None:
        """Set the vocabulary that the constructor was given, after all other settings."""
        self._adapted = False
        self.vocabulary: list[Any] | None = self.checked("vocabulary", vocabulary)
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
                f"{who}: vocabulary has the special {self.noun} {found.pop()!r} among its own; first come "
                f"{self.special}"
            )
        size = self.vocabulary_size()
        if self.max_tokens is not None and size > self.max_tokens:
            raise ConfigError(
                f"{who}: vocabulary has {size} {self.noun}s, more than max_tokens={self.max_tokens}"
            )
        if self.output_mode == "tf_idf" and len(self.idf_weights or []) != len(self.vocabulary):
            raise ConfigError(
                f"{who}: idf_weights are {len(self.idf_weights or [])}, and the vocabulary has {len(self.vocabulary)}"
            )

    @property
    def special(self) -> list[Any]:
        """What comes before the vocabulary."""
        masked = [self.mask_token] if self._mask_index else []
        return [*masked, *[self.oov_token] * self.num_oov_indices]

    @property
    def _mask_index(self) -> int:
        """How many indices come before those of other tokens: 1 for a masked one, else 0."""
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def tokens(self) -> list[Any]:
        """The vocabulary without what may come before it."""
        vocabulary, special = self.vocabulary or [], self.special
        return vocabulary[len(special) :] if vocabulary[: len(special)] == special else vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their indices.

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
        """The vocabulary of an adapted layer, a token in each line."""
        return "vocabulary.txt" if self.vocabulary is None and self._size is not None else None

    @abstractmethod
    def read_lines(self, text: str) -> list[Any] | None:
        """The tokens of that file; None if it does not hold such tokens."""

    def take_asset(self, text: str, beside: Mapping[str, Array]) -> None:
        """Set the vocabulary, which begins with the special tokens."""
        tokens = self.read_lines(text)
        if tokens is None or len(tokens) != self._size:
            raise ConfigError(f"it is not a list of {self._size} {self.noun}s")
        self.vocabulary, self._adapted = tokens, True
        if self.output_mode == "tf_idf":
            self.idf_weights = beside["idf_weights"][: len(tokens)].tolist()
        self._check()

    @abstractmethod
    def read_batch(self, batch: Any) -> Array:
        """A batch of tokens for ``adapt`` as an array.

        Raises:
            InputError: it holds something else.
        """

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Set the vocabulary to the tokens of the data, the most frequent first, up to ``max_tokens``.

        Equally frequent tokens come in falling order, as in Keras. For ``"tf_idf"`` the weight of a token is
        ``log(1 + rows / (1 + rows that have it))``.

        Args:
            data: an array, a table or a list, a dataset with numbered batches (a ``PyDataset``), or an iterable of
                batches.
            steps: how many batches to take, for an endless iterable; None for all.

        Raises:
            ConfigError: the layer was given its vocabulary.
            InputError: the data does not hold such tokens, or has none.
            UnsupportedError: a number beyond 32 bits.

        >>> from foldnet.layers import IntegerLookup, StringLookup
        >>> layer = IntegerLookup()
        >>> layer.adapt([5, 7, 7, 9])
        >>> layer.get_vocabulary()
        [-1, 7, 9, 5]
        >>> layer = StringLookup()
        >>> layer.adapt(["red", "blue", "red"])
        >>> layer.get_vocabulary()
        ['[UNK]', 'red', 'blue']
        """
        who = self.described()
        if self.vocabulary is not None and not self._adapted:
            raise ConfigError(f"{who} was given its vocabulary, so adapt has nothing to do")
        steps = COUNT.or_none()(steps, who, "steps")
        seen = Tokens()
        try:
            for batch in token_batches(data, steps, self.read_batch):
                seen.add(batch)
        except InputError as error:
            raise type(error)(f"{who}: {error}") from None
        tokens = seen.most({self.mask_token, self.oov_token})
        if self.max_tokens is not None:
            tokens = tokens[: max(self.max_tokens - len(self.special), 0)]
        if not tokens:
            raise InputError(f"{who}: adapt found no {self.noun} for its vocabulary")
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

    @abstractmethod
    def lower_indices(self, b: Lowering, x: str) -> str:
        """Emit the index of each token."""

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The indices, in the chosen form."""
        self.require_vocabulary()
        x = encode(b, self.lower_indices(b, inputs[0]), self._form, self.depth)
        if self.output_mode != "tf_idf":
            return x
        weights = self._weights().reshape((1,) * (len(b.shape(x)) - 2) + (-1,))
        return b.emit(Binary(kind="multiply"), x, b.layer_constant(self, "idf_weights", weights))

    def require_vocabulary(self) -> None:
        """Refuse a layer without one.

        Raises:
            UnsupportedError: it was neither adapted nor given its vocabulary.
        """
        if self.vocabulary is None:
            raise UnsupportedError(
                f"layer {self.name!r} has no vocabulary yet: call its adapt on data, or give it the {self.noun}s, such "
                "as get_vocabulary() of the layer that was adapted in Keras"
            )

    def _weights(self) -> Array:
        """A weight for each column: the mean for other numbers if they have none, 0 for columns without a number."""
        found = np.array(self.idf_weights, np.float64)
        before = len(self.special) if self.tokens == self.vocabulary else 0
        found = np.concatenate([np.full(before, found.mean()), found])
        return np.pad(found, (0, self.depth - len(found)))
