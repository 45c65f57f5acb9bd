"""Numbers that follow from a formula: what an activation does to random inputs, before any training."""

from actlab.theory.facts import Facts as Facts
from actlab.theory.facts import facts as facts
from actlab.theory.fixed_points import fixed_points as fixed_points
from actlab.theory.known import known as known
from actlab.theory.moments import Moments as Moments
from actlab.theory.moments import moments as moments
