"""Sweeps past one process and past one machine, on engines that exist: joblib, submitit (SLURM), Ray."""

from actlab.sweeps.outward.dispatch import NotStarted as NotStarted
from actlab.sweeps.outward.dispatch import dispatch as dispatch
from actlab.sweeps.outward.engines import Engine as Engine
from actlab.sweeps.outward.engines import Joblib as Joblib
from actlab.sweeps.outward.engines import Ray as Ray
from actlab.sweeps.outward.engines import Submitit as Submitit
from actlab.sweeps.outward.worker import Stopped as Stopped
from actlab.sweeps.outward.worker import WorkerDied as WorkerDied
