"""What happens inside a network while it trains: marked values, summarised in the compiled step."""

from actlab.stats.config import StatsConfig as StatsConfig
from actlab.stats.curvature import TopEigenvalue as TopEigenvalue
from actlab.stats.curvature import directional as directional
from actlab.stats.curvature import distance as distance
from actlab.stats.curvature import hvp as hvp
from actlab.stats.curvature import top_eigenvalue as top_eigenvalue
from actlab.stats.noise import GradientNoise as GradientNoise
from actlab.stats.noise import gradient_noise as gradient_noise
from actlab.stats.spikes import SpikeWindow as SpikeWindow
from actlab.stats.spikes import spike_score as spike_score
from actlab.stats.spikes import spike_scores as spike_scores
from actlab.stats.spikes import spike_window as spike_window
from actlab.stats.summary import Summary as Summary
from actlab.stats.summary import merge as merge
from actlab.stats.summary import summarize as summarize
from actlab.stats.watch import VALUE as VALUE
from actlab.stats.watch import Reading as Reading
from actlab.stats.watch import Seen as Seen
from actlab.stats.watch import probe_names as probe_names
from actlab.stats.watch import value_and_grad as value_and_grad
from actlab.stats.watch import watch as watch
