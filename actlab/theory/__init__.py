"""Numbers that follow from a formula: what an activation does to random inputs, before any training."""

from actlab.theory.duals import Dual as Dual
from actlab.theory.duals import dual as dual
from actlab.theory.edge import Critical as Critical
from actlab.theory.edge import critical as critical
from actlab.theory.edge import edge as edge
from actlab.theory.facts import Facts as Facts
from actlab.theory.facts import facts as facts
from actlab.theory.fixed_points import fixed_points as fixed_points
from actlab.theory.gaussian import expect as expect
from actlab.theory.gaussian import expect_pair as expect_pair
from actlab.theory.hermite import born_dead as born_dead
from actlab.theory.hermite import hermite as hermite
from actlab.theory.kernels import Kernel as Kernel
from actlab.theory.kernels import kernel as kernel
from actlab.theory.known import known as known
from actlab.theory.maps import Depths as Depths
from actlab.theory.maps import Maps as Maps
from actlab.theory.maps import maps as maps
from actlab.theory.mesh import Mesh as Mesh
from actlab.theory.mesh import mesh as mesh
from actlab.theory.moments import Moments as Moments
from actlab.theory.moments import moments as moments
from actlab.theory.networks import Plain as Plain
from actlab.theory.networks import Residual as Residual
from actlab.theory.transform import Transform as Transform
from actlab.theory.transform import transform as transform
