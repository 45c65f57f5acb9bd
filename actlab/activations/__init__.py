"""Activation functions: one family per file, and the list below is the registry.

A function that is not listed here cannot be named in a config. An alias is listed beside its function.
"""

from actlab.activations.act import Act as Act
from actlab.activations.act import make as make
from actlab.activations.act import names as names
from actlab.activations.act import registry as registry
from actlab.activations.gelu import gelu as gelu
from actlab.activations.gelu import gelu_erf as gelu_erf
from actlab.activations.gelu import gelu_exact as gelu_exact
from actlab.activations.gelu import gelu_new as gelu_new
from actlab.activations.gelu import gelu_pytorch_tanh as gelu_pytorch_tanh
from actlab.activations.gelu import gelu_tanh as gelu_tanh
from actlab.activations.gelu import sielu as sielu
from actlab.activations.normalizing import softmax as softmax
from actlab.activations.polynomial import identity as identity
from actlab.activations.polynomial import linear as linear
from actlab.activations.rectified import leaky_relu as leaky_relu
from actlab.activations.rectified import relu as relu
from actlab.activations.saturating import expit as expit
from actlab.activations.saturating import logistic as logistic
from actlab.activations.saturating import sigmoid as sigmoid
from actlab.activations.saturating import tanh as tanh
from actlab.activations.selfgated import acon_a as acon_a
from actlab.activations.selfgated import mish as mish
from actlab.activations.selfgated import silu as silu
from actlab.activations.selfgated import swish as swish
from actlab.activations.selfgated import swish_1 as swish_1
from actlab.activations.smooth import elu as elu
from actlab.activations.smooth import selu as selu
from actlab.activations.smooth import softplus as softplus
from actlab.activations.spec import Interval as Interval
from actlab.activations.spec import Kink as Kink
from actlab.activations.spec import Parameter as Parameter
from actlab.activations.spec import Spec as Spec
from actlab.activations.spec import activation as activation
from actlab.activations.trial import check as check

# For `from actlab.activations import *`: all of the above, without the family files.
__all__ = ["Act", "Interval", "Kink", "Parameter", "Spec", "activation", "check", "make", "names", "registry"]
__all__ += registry()
