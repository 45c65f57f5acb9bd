"""Activations inside layers: sites with learnable parameters, and initialisers."""

from actlab.nn.activation import Activation as Activation
from actlab.nn.activation import decay_mask as decay_mask
from actlab.nn.activation import sites as sites
from actlab.nn.attention import Attention as Attention
from actlab.nn.attention import rotate as rotate
from actlab.nn.convolution import convolve as convolve
from actlab.nn.dynamic import DynamicReLU as DynamicReLU
from actlab.nn.dynamic import FunnelReLU as FunnelReLU
from actlab.nn.dynamic import Maxout as Maxout
from actlab.nn.dynamic import MetaAcon as MetaAcon
from actlab.nn.gated import GatedMLP as GatedMLP
from actlab.nn.gated import gated_projection as gated_projection
from actlab.nn.initializers import initializer as initializer
from actlab.nn.initializers import variances as variances
from actlab.nn.layers import run_layers as run_layers
from actlab.nn.lsuv import lsuv as lsuv
from actlab.nn.numbers import Number as Number
from actlab.nn.numbers import kept as kept
from actlab.nn.numbers import number as number
