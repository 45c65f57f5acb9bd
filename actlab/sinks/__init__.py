"""Where a run's records go besides its folder: what the config group ``logger`` chooses from.

Each sink is thin and imports its library when it is started; ``Guarded`` stands between it and the training.
"""

from actlab.sinks.guard import Guarded as Guarded
from actlab.sinks.guard import finish_all as finish_all
from actlab.sinks.mlflow import MLflow as MLflow
from actlab.sinks.sink import Histogram as Histogram
from actlab.sinks.sink import Sink as Sink
from actlab.sinks.tensorboard import TensorBoard as TensorBoard
from actlab.sinks.trackio import Trackio as Trackio
from actlab.sinks.wandb import WandB as WandB
