"""A description of every mistake: what the candidate does, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """The description of a mistake; ``{layer}`` stands for the layer call's path."""

    what: str
    remedy: str


CATALOGUE = {
    "activation-missing": Words(
        "{layer} is computed without its activation", "apply the activation to the layer's result"
    ),
    "activation-on-wrong-tensor": Words(
        "what follows {layer} is given its value from before the activation (the logits)",
        "pass on the activated value",
    ),
    "batchnorm-before-activation": Words(
        "the normalization {layer} is put on the other side of the activation",
        "follow the network's order of normalization and activation",
    ),
    "batchnorm-left-out": Words(
        "the normalization {layer} is left out",
        "compute (x - moving_mean) / np.sqrt(moving_variance + epsilon) * gamma + beta",
    ),
    "beta-missing": Words("beta of {layer} is not added", "add beta after multiplying by gamma"),
    "biases-summed": Words(
        "both biases of {layer} are added before the gates",
        "add the second bias to the product with the recurrent kernel, before the reset gate multiplies it",
    ),
    "bias-missing": Words("the bias of {layer} is not added", "add the bias to x @ kernel"),
    "causal-mask-missing": Words(
        "{layer} also attends to later positions", "give the scores of later positions no weight in the softmax"
    ),
    "causal-mask-reversed": Words(
        "{layer} attends to later positions and not to earlier ones",
        "row i of the scores belongs to position i of the query: np.tril(np.ones((queries, keys)))",
    ),
    "causal-mask-shifted": Words(
        "{layer} puts the limit between earlier and later positions at another place",
        "a position attends to itself and to earlier ones: np.tril(np.ones((queries, keys)))",
    ),
    "cell-activation": Words(
        "{layer} has another activation inside its steps", "use the layer's activation"
    ),
    "channels-order": Words(
        "the channels or axes at {layer} come in another order",
        "keep the order of the network: row-major (C) order, channels as in its input",
    ),
    "class-instead-of-probabilities": Words(
        "the candidate gives the class where {layer} gives a number for each",
        "return the probabilities themselves, without argmax, round or > 0.5",
    ),
    "concat-score-weight-missing": Words(
        "{layer} is computed without the weight of its scores", "multiply the scores by concat_score_weight"
    ),
    "dilation-ignored": Words(
        "the windows of {layer} are taken without the distance between their positions",
        "take x[start + k * dilation_rate] for position k of a window",
    ),
    "direction": Words(
        "{layer} goes through the steps from the wrong end",
        "start at the last step if go_backwards, and in Bidirectional's second layer; else at the first",
    ),
    "dropout-applied": Words(
        "{layer} drops values at random, as in training", "leave Dropout out: at prediction time it does nothing"
    ),
    "dropout-scaled": Words(
        "the values are scaled at {layer}, as if to make up for Dropout",
        "leave the factor out: the scaling was done in training",
    ),
    "epsilon-1e-3": Words(
        "{layer} is computed with epsilon 0.001, Keras's default", "use the layer's own epsilon"
    ),
    "epsilon-1e-5": Words(
        "{layer} is computed with epsilon 0.00001, the default of other libraries",
        "use the layer's own epsilon",
    ),
    "epsilon-missing": Words(
        "{layer} is computed without epsilon", "add epsilon to the variance, inside the root"
    ),
    "epsilon-outside-sqrt": Words(
        "{layer} adds epsilon to the root of the variance", "add epsilon inside: np.sqrt(variance + epsilon)"
    ),
    "first-step": Words(
        "{layer} gives the output of the step where it starts", "give the output of the step where it ends"
    ),
    "float16-rounding": Words(
        "weights or values of {layer} are rounded to float16", "keep weights and values in float32"
    ),
    "gamma-beta-swapped": Words(
        "gamma and beta of {layer} are swapped", "multiply by gamma, then add beta; Keras keeps gamma first"
    ),
    "gamma-missing": Words("{layer} is not multiplied by gamma", "multiply by gamma before adding beta"),
    "gate-activation": Words(
        "the gates of {layer} have another activation", "use the layer's recurrent_activation"
    ),
    "gates-order": Words(
        "the gates of {layer} are taken in another order",
        "Keras's order is i, f, c, o for an LSTM (input, forget, candidate, output) and z, r, h for a GRU (update, "
        "reset, candidate)",
    ),
    "hard-sigmoid-version": Words(
        "{layer} is computed with the hard_sigmoid of another version of Keras",
        "hard_sigmoid is clip(0.2 * x + 0.5, 0, 1) until Keras 2, and clip(x / 6 + 0.5, 0, 1) in Keras 3",
    ),
    "hash-ignored": Words(
        "{layer} gives all texts or numbers outside its vocabulary the same index",
        "give them the hash modulo the number of bins, FarmHash's Fingerprint64 of a text's UTF-8 bytes",
    ),
    "heads-order": Words(
        "{layer} takes the values of its heads in another order",
        "reshape (rows, positions, heads * size) to (rows, positions, heads, size), then transpose to (rows, heads, "
        "positions, size); back in the same way",
    ),
    "heads-shared": Words(
        "in {layer}, other heads of the query share a head of key and value",
        "neighbouring heads of the query share one: np.repeat, not np.tile",
    ),
    "index-offset": Words(
        "the indices of {layer} begin without those that come first",
        "the indices of a vocabulary come after that of mask_token and num_oov_indices others",
    ),
    "input-ignored": Words("the input {layer} is not used", "use the input's values"),
    "input-not-scaled": Words(
        "the scaling {layer} is left out", "scale the data as the layer does, with its stored numbers"
    ),
    "input-scaled-twice": Words(
        "the data are scaled twice at {layer}", "scale once: the network scales its own input"
    ),
    "kernel-axes": Words(
        "the axes of the kernel of {layer} are taken in another order",
        "Keras's order is (window..., channels, filters): HWIO; for a transposed convolution (window..., filters, "
        "channels)",
    ),
    "kernel-flipped": Words(
        "the kernel of {layer} is reversed along its window",
        "do not reverse it: a layer's convolution is a correlation, unlike np.convolve and scipy.signal.convolve",
    ),
    "kernel-transposed": Words(
        "the kernel of {layer} is transposed, or read in another memory order",
        "use x @ kernel with the kernel of shape (inputs, units) in row-major order",
    ),
    "layer-left-out": Words("{layer} is left out", "compute the layer"),
    "layers-swapped": Words("layers are in the wrong order", "follow the network's order"),
    "gives-text": Words(
        "the candidate gives text where {layer} gives numbers", "return the numbers, not their str or format"
    ),
    "log-probabilities": Words(
        "the candidate gives the logarithm of what {layer} gives", "return the probabilities: leave np.log out"
    ),
    "mask-ignored": Words(
        "{layer} also uses positions that its mask leaves out",
        "leave them out: a recurrent layer keeps its state there, a mean does not count them, and an attention gives "
        "them no weight",
    ),
    "mask-inverted": Words(
        "{layer} attends to the positions that its mask leaves out", "a mask is True where a position counts"
    ),
    "masked-as-other": Words(
        "{layer} takes what is masked for a value outside its vocabulary",
        'mask_token has index 0, or none in other modes than "int"',
    ),
    "mean-missing": Words("{layer} does not subtract the mean", "subtract the moving mean first"),
    "noise-added": Words("{layer} adds its noise", "leave it out: at prediction time it does nothing"),
    "not-turned-round": Words(
        "the outputs of {layer} that were computed from the last step to the first are not turned round",
        "reverse them along the steps, y[:, ::-1], before they are merged",
    ),
    "one-hot-instead-of-probabilities": Words(
        "the candidate gives 1 for the most likely class and 0 for the others, where {layer} gives probabilities",
        "return the probabilities themselves",
    ),
    "only-nan": Words(
        "the candidate gives nothing but NaN where {layer} gives numbers",
        "look for the root or logarithm of a negative number, for 0 / 0, and for inf - inf",
    ),
    "only-one-row": Words(
        "the candidate gives the prediction of the first row alone", "return one for every row: no [0] at the end"
    ),
    "other-as-masked": Words(
        "{layer} gives index 0, that of what is masked, to values outside its vocabulary",
        "give them the index after that of mask_token",
    ),
    "output-as-share": Words(
        "the candidate divides what {layer} gives by 100", "return the numbers as they are"
    ),
    "output-in-percent": Words(
        "the candidate gives what {layer} gives in percent", "return the numbers as they are, not 100 times them"
    ),
    "output-rounded": Words(
        "the candidate gives the right numbers, but fewer digits of them than {layer}",
        "round them only where they are shown",
    ),
    "output-transposed": Words(
        "the candidate gives what {layer} gives with rows and columns exchanged",
        "return an array of shape (rows, ...): leave the .T out",
    ),
    "operand-ignored": Words("{layer} ignores one of its inputs", "use all its inputs"),
    "operands-swapped": Words("{layer} takes its inputs in the wrong order", "swap the inputs"),
    "padding-counted": Words(
        "positions beyond the ends count in the windows of {layer}",
        "take each mean, or maximum, of the positions inside alone",
    ),
    "padding-sides": Words(
        "{layer} is padded with other widths at the ends",
        'with "same", Keras has the smaller half before and the larger half after, which depends on the stride; with '
        '"causal", all before',
    ),
    "pooling-kind": Words(
        "{layer} takes the mean where it should take the maximum, or the reverse", "use the layer's own function"
    ),
    "recurrent-bias-missing": Words(
        "{layer} is computed without the second of its biases",
        "add the second row of the bias to the product with the recurrent kernel",
    ),
    "reset-after": Words(
        "{layer} applies its reset gate on the other side of the product with the recurrent kernel",
        "with reset_after=True multiply the product by the gate, with reset_after=False the state before it",
    ),
    "returns-nothing": Words(
        "the candidate returns nothing where {layer} gives numbers", "end the function with return and the result"
    ),
    "score-mode": Words(
        "{layer} computes the scores of query and key in another way",
        'score_mode "dot" is query @ key.T; "concat" and AdditiveAttention add up tanh(query + key)',
    ),
    "scale-missing": Words("{layer} is computed without its scale", "multiply by the layer's scale"),
    "scores-not-scaled": Words(
        "{layer} does not divide its scores", "divide query @ key.T by the root of the size of a head"
    ),
    "scores-scale": Words(
        "{layer} divides its scores by another number",
        "divide query @ key.T by the root of the size of a head, np.sqrt(key_dim)",
    ),
    "scores-scaled": Words(
        "{layer} divides its scores, which this layer does not", "use query @ key.T as it is"
    ),
    "sigmoid-added": Words(
        "the candidate applies a sigmoid to what {layer} gives; the network has none there",
        "return the value without it, or put the sigmoid into the network",
    ),
    "sliding-window-ignored": Words(
        "{layer} also attends to positions beyond its window", "attend to positions less than sliding_window away"
    ),
    "softmax-added": Words(
        "the candidate applies a softmax to what {layer} gives; the network has no second one there",
        "return the value without it, or put the softmax into the network",
    ),
    "softmax-axis": Words(
        "the softmax of {layer} is taken along the wrong axis",
        "normalize along the last axis: e / e.sum(axis=-1, keepdims=True)",
    ),
    "softmax-one-unit": Words(
        "{layer} ends in a softmax over one unit, which is always 1", "use a sigmoid, or no activation"
    ),
    "statistics-fresh": Words(
        "{layer} uses mean 0 and variance 1, as before any training",
        "use the trained moving_mean and moving_variance",
    ),
    "statistics-of-this-batch": Words(
        "{layer} uses the mean and variance of these rows, as in training",
        "use the stored moving_mean and moving_variance",
    ),
    "statistics-swapped": Words(
        "mean and variance of {layer} are swapped", "subtract moving_mean, divide by the root of moving_variance"
    ),
    "strides-ignored": Words(
        "the windows of {layer} move by one position instead of by its strides",
        "start window k at position k * strides",
    ),
    "table-reversed": Words("the table of {layer} is read from its end", "take row i for index i"),
    "takes-one-row": Words(
        "the candidate is right for one row alone, and wrong for several",
        "let it take an array of shape (rows, ...): x @ kernel does so, and sums and means go over axis=-1; or "
        "call it for each row, as np.array([f(row) for row in x])",
    ),
    "update-gate-inverted": Words(
        "the update gate of {layer} keeps where it should replace",
        "the new state is z * h + (1 - z) * candidate",
    ),
    "value-before-activation": Words(
        "the value shown for {layer} is the one before the activation; what follows it is right",
        "nothing to change in the function: trace the activated value",
    ),
    "variance-missing": Words(
        "{layer} does not divide by the standard deviation", "divide by np.sqrt(moving_variance + epsilon)"
    ),
    "variance-without-sqrt": Words(
        "{layer} divides by the variance, not by its square root",
        "divide by np.sqrt(variance + epsilon)",
    ),
    "vocabulary-order": Words(
        "the vocabulary of {layer} is taken in another order, such as sorted",
        "take it in the order of get_vocabulary()",
    ),
    "wrong-dtype": Words(
        "the candidate gives no plain numbers where {layer} does", "return an array of float32 or float64"
    ),
    "wrong-axis": Words(
        "the statistics of {layer} are taken over, or laid along, the wrong axis",
        "statistics belong to the layer's axis, one for each channel, and are used for all rows",
    ),
}  # fmt: skip


def words_for(mistake: str) -> Words:
    """The description of a mistake by its id."""
    if mistake in CATALOGUE:
        return CATALOGUE[mistake]
    weight = mistake.removesuffix("-missing")
    return Words(f"{{layer}} is computed without its {weight}", f"use the layer's {weight}")
