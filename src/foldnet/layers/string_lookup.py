"""StringLookup: texts of a vocabulary as indices."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError, UnsupportedError
from foldnet.graph.texts import as_texts, plain_text, text_hash
from foldnet.layers.index_lookup import DROPPED, IndexLookup, vocabulary_of
from foldnet.operations.search.op import Lookup
from foldnet.setting_types import Kind, choice

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

TEXT = Kind("a text", plain_text)


class StringLookup(IndexLookup):
    """The index of each text in a vocabulary.

    Indices begin with that of ``mask_token``, if there is one, and ``num_oov_indices`` for texts that are not in the
    vocabulary. Its input is ``Input(shape, dtype="string")``.

    Args:
        max_tokens: the largest size of the vocabulary, those indices included.
        num_oov_indices: how many indices there are for other texts, which get them by their hash. With 0, such a text
            is an ``InputError``.
        mask_token: a text that gets index 0, or is left out in all forms but ``"int"``.
        oov_token: what ``get_vocabulary`` has at the indices of other texts.
        vocabulary: the texts, in the order of their indices.
        idf_weights: of each text of the vocabulary, for ``"tf_idf"``.
        invert: whether indices become texts, which foldnet refuses when it computes.
        output_mode: ``"int"``, or as rows of 0 and 1: ``"one_hot"``, ``"multi_hot"``, ``"count"``, or ``"tf_idf"``:
            counts times ``idf_weights``; see ``CategoryEncoding``.
        pad_to_max_tokens: whether these rows have ``max_tokens`` columns, even if the vocabulary is smaller.
        sparse: False.
        encoding: ``"utf-8"``.
        salt: None.

    >>> import numpy as np
    >>> StringLookup(vocabulary=["red", "blue"])(np.array(["blue", "green", "red"])).tolist()
    [2, 0, 1]
    """

    takes_texts = True
    data_dtype = "string"
    kinds: ClassVar[dict[str, Kind]] = {
        "mask_token": TEXT.or_none(),
        "oov_token": TEXT.or_none(),
        "vocabulary": vocabulary_of(TEXT),
        "encoding": choice("utf-8", "utf8", "UTF-8"),
    }
    ignored_settings = IndexLookup.ignored_settings | {"oov_method", "vocabulary_dtype"}
    noun = "text"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("dtype") in ("string", "int64"):  # files of tf_keras say so, and it makes no difference
            del kwargs["dtype"]
        super().__init__(name=name, **kwargs)
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.invert = invert
        self.output_mode = output_mode
        self.pad_to_max_tokens = pad_to_max_tokens
        self.sparse = sparse
        self.encoding = encoding
        self.salt = salt
        self._know(vocabulary, idf_weights)

    def read_lines(self, text: str) -> list[str]:
        """The texts, one in each line, as Keras reads them: without empty ones at the end."""
        lines = text.splitlines()
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def read_batch(self, batch: Any) -> Array:
        """Texts.

        Raises:
            InputError: it holds something else.
        """
        found = as_texts(batch)
        if found is None:
            raise InputError("adapt takes texts, and the data holds none")
        try:
            texts = [plain_text(text) for text in found.ravel().tolist()]
        except (TypeError, ValueError) as error:
            raise InputError(f"adapt takes texts: {error}") from None
        array = np.empty(len(texts), object)
        array[:] = texts
        return array.reshape(found.shape)

    def known_texts(self) -> tuple[Collection[str], int]:
        """The vocabulary and the masked text."""
        self.require_vocabulary()
        masked = [] if self.mask_token is None else [self.mask_token]
        return [*self.tokens, *masked], max(self.num_oov_indices, 1)

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """Texts with ``invert``, else whole numbers or rows of 0 and 1."""
        return "string" if self.invert else super().compute_output_dtype(*input_dtypes)

    def lower_indices(self, b: Lowering, x: str) -> str:
        """A search among the codes of the vocabulary.

        Raises:
            UnsupportedError: its input is no text, or it gives texts.
        """
        if self.invert:
            raise UnsupportedError(
                f"layer {self.name!r}: invert=True makes texts, and the values of a foldnet network are numbers. End "
                "the network with the indices, and look them up in a list: get_vocabulary()"
            )
        texts = b.texts_of(x)
        if texts is None:
            raise UnsupportedError(
                f'layer {self.name!r}: a StringLookup takes texts, and is given numbers; give Input the dtype "string"'
                ", or take an IntegerLookup"
            )
        found = {token: len(self.special) + i for i, token in enumerate(self.tokens)}
        if self.mask_token is not None:
            found[self.mask_token] = 0 if self.output_mode == "int" else DROPPED
        # Texts that only other layers know have codes that say nothing of their hash.
        if self.num_oov_indices > 1:
            first, count = self._mask_index, self.num_oov_indices
            found = {t: found.get(t, first + text_hash(t) % count) for t in texts.known}
        pairs = sorted((texts.code(text), index) for text, index in found.items())
        keys, values = (tuple(column) for column in zip(*pairs, strict=True))
        return b.emit(Lookup(keys, values, self._mask_index, self.num_oov_indices), x)
