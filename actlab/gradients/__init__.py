"""Derivative rules: what is computed in which precision, and what is kept for the backward pass."""

from actlab.gradients.fitting import LeanFit as LeanFit
from actlab.gradients.fitting import fit_lean as fit_lean
from actlab.gradients.orders import nth as nth
from actlab.gradients.pairs import keep_inputs as keep_inputs
from actlab.gradients.precision import as_real as as_real
from actlab.gradients.precision import by_precision as by_precision
from actlab.gradients.precision import narrow as narrow
from actlab.gradients.precision import widen as widen
from actlab.gradients.rules import keep_input as keep_input
from actlab.gradients.rules import keep_lean as keep_lean
from actlab.gradients.rules import keep_output as keep_output
