"""What holds at each learning rate of a sweep.

python experiments/02_activation_ranking/by_rate.py SWEEP
"""

import sys

from actlab.compare import conditions, everywhere, sentence

found = conditions(sys.argv[1:], "optimizer.learning_rate")
print(everywhere(found, "learning rate"))
for one in found:
    print(f"- {sentence(one, 'learning rate')}")
    for level in one.study.ranking.levels:
        print(f"    {level.name:14}{level.score:8.1%}")
