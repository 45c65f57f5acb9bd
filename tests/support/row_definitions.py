"""Functions along an axis as they are defined: a row and the parameters, all mpf, to a row."""

import mpmath as mp


def share(parts, rest=0):
    total = sum(parts) + rest
    return [p / total for p in parts]


def entmax_row(x, alpha):
    """By bisection for the threshold; at alpha = 1 the softmax."""
    if alpha == 1:
        return share([mp.exp(v) for v in x])
    h = alpha - 1
    z = [h * (v - max(x)) for v in x]

    def weights(threshold):
        return [mp.power(v - threshold, 1 / h) if v > threshold else mp.mpf(0) for v in z]

    low, high = mp.mpf(-1), mp.mpf(0)
    for _ in range(int(mp.mp.prec * 1.1)):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(weights(middle)) > 1 else (low, middle)
    return weights(low)


def norm_row(x, power, eps, mean):
    size = sum(v ** (2 * power) for v in x) / (len(x) if mean else 1)
    return [v**power / mp.sqrt(size + eps) for v in x]


def poly_norm_row(x, coefficients, bias, eps, norm):
    terms = [norm_row(x, k + 1, eps, norm == "rms") for k in range(len(coefficients))]
    return [
        bias + sum(a * term[i] for a, term in zip(coefficients, terms, strict=True)) for i in range(len(x))
    ]


def softpick_row(x, eps):
    size = sum(abs(mp.exp(v) - 1) for v in x) + eps
    return [max(mp.mpf(0), mp.exp(v) - 1) / size for v in x]


DEFINITIONS = {
    "softmax": lambda x: share([mp.exp(v) for v in x]),
    "softmin": lambda x: share([mp.exp(-v) for v in x]),
    "log_softmax": lambda x: [v - mp.log(sum(mp.exp(u) for u in x)) for v in x],
    "logsumexp": lambda x: [mp.log(sum(mp.exp(v) for v in x))],
    "softmax_temperature": lambda x, temperature: share([mp.exp(v / temperature) for v in x]),
    "softmax_one": lambda x: share([mp.exp(v) for v in x], 1),
    "softmax_sink": lambda x, sink: share([mp.exp(v) for v in x], mp.exp(sink)),
    "scalable_softmax": lambda x, scale: share([mp.exp(scale * mp.log(len(x)) * v) for v in x]),
    "softpick": softpick_row,
    "sigmoid_attention": lambda x: [1 / (1 + len(x) * mp.exp(-v)) for v in x],
    "sparsemax": lambda x: entmax_row(x, mp.mpf(2)),
    "entmax15": lambda x: entmax_row(x, mp.mpf("1.5")),
    "entmax": entmax_row,
    "rms_norm_act": lambda x, gamma, eps: [gamma * v for v in norm_row(x, 1, eps, True)],
    "poly_norm": poly_norm_row,
}
