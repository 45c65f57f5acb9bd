"""Training: the pure step, the one Python loop around it, its optimiser and its checkpoints."""

from actlab.train.look import first_look as first_look
from actlab.train.loop import Run as Run
from actlab.train.loop import train as train
from actlab.train.optimizer import Optimizer as Optimizer
from actlab.train.optimizer import adam as adam
from actlab.train.optimizer import adamw as adamw
from actlab.train.optimizer import sgd as sgd
from actlab.train.policies import Stability as Stability
