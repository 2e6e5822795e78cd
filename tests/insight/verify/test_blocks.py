"""Hypotheses that are computed together, as blocks of rows, look as they do one by one."""

import pytest

from foldnet.insight.verify import verify
from foldnet.insight.verify.hypotheses import HypothesisTester
from tests.insight.insight_networks import by_hand
from tests.insight.verify.planted import network, planted_in_one_layer


@pytest.mark.parametrize("stack", ["iris", "classifier", "words", "scaled"])
def test_together_is_as_one_by_one(stack, monkeypatch):
    together, compared = HypothesisTester._right_together, []

    def both(self, values, networks, reached, loose):
        found = list(together(self, values, networks, reached, loose))
        for patched, right in zip(networks, found, strict=True):
            alone = self.with_mistakes(values, patched, reached)
            assert right == (alone is not None and self.looks_right(alone, reached, True, loose))
        compared.extend(found)
        return found

    monkeypatch.setattr(HypothesisTester, "_right_together", both)
    model, x = network(stack)
    for _, change in planted_in_one_layer(model, "bias-missing"):
        verify(by_hand(model, change), model, x, pair_seconds=0)
    assert sum(compared) >= 1
    assert compared.count(False) > 50
