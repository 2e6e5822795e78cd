"""A prediction function with mistakes in it, and the names that ``verify`` gives them.

The function is written as people write it from the layers' weights: it divides by the variance where its square
root was meant, and one step goes on with the logits where the activated values were meant. The network it was
written for ends in a softmax over one unit, which is always 1, so its predictions even agree.
"""

from pathlib import Path

import numpy as np

import foldnet

MODELS = Path(__file__).resolve().parent.parent / "data" / "models"


def by_hand(model):
    """The function, for a network of three times Dense, Dropout, BatchNormalization, and a last Dense."""

    def logits(name, x):
        layer = model.get_layer(name)
        return x @ layer.kernel + layer.bias

    def normalized(name, x):
        norm = model.get_layer(name)
        y = (x - norm.moving_mean) / (norm.moving_variance + norm.epsilon) * norm.gamma + norm.beta
        return foldnet.trace(name, y)

    def predict(x):
        z1 = logits("dense_1", x)
        a1 = foldnet.trace("dense_1", np.maximum(z1, 0))
        n1 = normalized("norm_1", a1)
        z2 = logits("dense_2", n1)
        foldnet.trace("dense_2", np.maximum(z2, 0))
        n2 = normalized("norm_2", z2)  # the activated values were meant
        z3 = logits("dense_3", n2)
        a3 = foldnet.trace("dense_3", np.maximum(z3, 0))
        n3 = normalized("norm_3", a3)
        z4 = logits("quality", n3)
        if model.get_layer("quality").activation is foldnet.activations.softmax:
            z4 = np.exp(z4 - z4.max(axis=1, keepdims=True))
            z4 /= z4.sum(axis=1, keepdims=True)
        return z4

    return predict


def findings(result):
    """The mistakes found, one a line."""
    return "\n".join(f"  {d.mistake:<28} {d.layer:<10} {d.message}" for d in result.diagnoses) or "  none"


question = foldnet.load_model(MODELS / "wine_question.keras")
x = np.random.default_rng(0).normal(8, 3, (100, 11)).astype(np.float32)

print("The question's network, predictions alone:")
alone = foldnet.verify(by_hand(question)(x), question, x)
print(f"  equal: {alone.ok}, proven: {alone.proven}")
print(f"  {alone.layers[0].note}")

print("\nThe same with the values that the function traces:")
traced = foldnet.verify(by_hand(question), question, x)
print(findings(traced))

print("\nA network that predicts a number, predictions alone:")
fixed = foldnet.load_model(MODELS / "wine.keras")
outputs = foldnet.verify(by_hand(fixed)(x), fixed, x, pair_seconds=60)  # however busy the machine is
print(findings(outputs))
print("\n" + outputs.message)
