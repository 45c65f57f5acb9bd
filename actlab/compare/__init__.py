"""Which level of a factor is better over many runs, and whether the data can tell: pure functions on tables."""

from actlab.compare.comparison import Study as Study
from actlab.compare.comparison import compare as compare
from actlab.compare.comparison import overview as overview
from actlab.compare.conditions import Condition as Condition
from actlab.compare.conditions import conditions as conditions
from actlab.compare.conditions import everywhere as everywhere
from actlab.compare.conditions import sentence as sentence
from actlab.compare.folders import find_runs as find_runs
from actlab.compare.scores import Metric as Metric
