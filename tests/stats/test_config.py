import pytest

from actlab.errors import InputError
from actlab.stats import StatsConfig


def test_config():
    with pytest.raises(InputError, match="stats.level='ful'"):
        StatsConfig("ful")
    with pytest.raises(InputError, match="stats.every=0"):
        StatsConfig(every=0)
    with pytest.raises(InputError, match="stats.rows=0"):
        StatsConfig(rows=0)


def test_choices_by_name_and_pattern():
    known = ["blocks.0.act", "blocks.1.act", "head"]
    assert StatsConfig().chosen_sites(known) == known
    assert StatsConfig(sites=["blocks.*"]).chosen_sites(known) == known[:2]
    assert StatsConfig(quantities=["post.*"]).keeps("post.mean")
    assert not StatsConfig(quantities=["post.*"]).keeps("pre.mean")
    with pytest.raises(InputError, match="there is no 'blocks.2.act'; did you mean 'blocks.1.act'"):
        StatsConfig(sites=["blocks.2.act"]).chosen_sites(known)
