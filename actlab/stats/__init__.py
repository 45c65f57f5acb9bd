"""What happens inside a network while it trains: marked values, summarised in the compiled step."""

from actlab.stats.basic import StatsConfig as StatsConfig
from actlab.stats.instrument import Instrumented as Instrumented
from actlab.stats.instrument import Shares as Shares
from actlab.stats.instrument import instrument as instrument
from actlab.stats.marks import Site as Site
from actlab.stats.marks import Sites as Sites
from actlab.stats.summary import Summary as Summary
from actlab.stats.summary import merge as merge
from actlab.stats.summary import summarize as summarize
from actlab.stats.watch import VALUE as VALUE
from actlab.stats.watch import Reading as Reading
from actlab.stats.watch import Seen as Seen
from actlab.stats.watch import probe_names as probe_names
from actlab.stats.watch import value_and_grad as value_and_grad
from actlab.stats.watch import watch as watch
