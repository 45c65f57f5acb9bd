"""What happens inside a network while it trains: marked values, summarised in the compiled step."""

from actlab.stats.basic import StatsConfig as StatsConfig
from actlab.stats.watch import probe_names as probe_names
from actlab.stats.watch import watch as watch
