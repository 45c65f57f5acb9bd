"""What dks' own tests have for a ResNet-101 with shortcut 0.6, zeta = 1.2, tau = 0.2; where its search stops."""

import math

from actlab.theory import Residual

RESNET = Residual()
FIELDS = ("input_scale", "input_shift", "output_shift", "output_scale")
GOLDEN = {
    ("softplus", "dks"): (0.18761008168267976, 0.40688063442262007, -0.9213466151411376, 8.878672543665223),
    ("tanh", "dks"): (0.07461073057540868, 0.5566915199964182, -0.5034378768692127, 18.002635964442558),
    ("gelu_tanh", "dks"): (0.07036271496383567, 0.2586837248593587, -0.15758328114374964, 20.249573305194307),
    ("gelu", "dks"): (0.07043253126531114, 0.259489297927707, -0.15815378961903598, 20.21158902315857),
    ("relu", "dks"): (0.3685360046708044, 1.0, -1.000373858553784, 2.721729988761473),
    ("softplus", "tat"): (0.15011489794748328, 0.5374599901127068, -0.996481014465811, 10.54880187880574),
    ("tanh", "tat"): (0.0580205218578313, 0.5218639804099805, -0.4796430704354356, 22.36066261763117),
}


def stopped(method: str) -> float:
    """Return a layer's target as dks finds it: by bisection, doubling while unbounded, to 1e-8 of the network's."""
    if method == "dks":
        whole, target, value, low = (lambda s: RESNET(1.0, lambda y: s * y)), 1.2, 1.1, 1.0
    else:
        whole, target, value, low = (lambda s: RESNET(0.0, lambda y: s + y)), 0.2, 0.1, 0.0
    high = math.inf
    while abs(whole(value) - target) >= 1e-8:
        if whole(value) > target:
            high, value = value, 0.5 * (value + low)
        else:
            low, value = value, 2 * value if math.isinf(high) else 0.5 * (value + high)
    return value
