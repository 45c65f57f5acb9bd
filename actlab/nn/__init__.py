"""Activations inside layers: sites with learnable parameters, and initialisers."""

from actlab.nn.activation import Activation as Activation
from actlab.nn.activation import sites as sites
from actlab.nn.convolution import convolve as convolve
from actlab.nn.initializers import initializer as initializer
