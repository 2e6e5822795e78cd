"""Mistakes planted in attention are named; right functions are not accused."""

from foldnet.insight.verify import verify
from tests.insight.verify.attention_by_hand import by_hand, made


def test_the_same_mistake_in_every_layer():
    model, x = made("words")
    result = verify(by_hand(model, ("first", "second"), scale="none"), model, x, pair_seconds=0)
    assert [(d.mistake, d.layer) for d in result.diagnoses] == [
        ("scores-not-scaled", "first"), ("scores-not-scaled", "second"),
    ]  # fmt: skip


def test_a_mistake_that_none_of_them_is_stays_unnamed():
    """Scores that are divided by twice the right number are no known mistake."""
    model, x = made("crossed")
    right = by_hand(model)

    def predict(rows):
        layer = model.get_layer("heads")
        kernel = layer.named_weights["query/kernel"]
        layer.set_weight("query/kernel", kernel / 2.34)
        try:
            return right(rows)
        finally:
            layer.set_weight("query/kernel", kernel)

    result = verify(predict, model, x, pair_seconds=0)
    assert not result.ok
    assert result.diagnoses == []
