"""Many runs in one compiled program."""

from actlab.sweeps.engine import train_lanes as train_lanes
from actlab.sweeps.halving import Halving as Halving
from actlab.sweeps.lanes import Lane as Lane
from actlab.sweeps.lanes import Options as Options
from actlab.sweeps.lanes import Told as Told
