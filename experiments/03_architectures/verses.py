"""Naive Bayes on the split that data=verses makes: accuracy on the test verses, by words and by pairs of words.

python experiments/03_architectures/verses.py [--classes group] [--split-seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import ComplementNB, MultinomialNB

from actlab.data.corpora import verses_of_corpus
from actlab.data.splits import split_of
from actlab.data.verses import CLASSES, verses


def main() -> None:
    """Print the accuracies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", choices=CLASSES, default="group")
    parser.add_argument("--split-seed", type=int, default=0)
    a = parser.parse_args()
    data = verses(classes=a.classes, level="char", context=1, split_seed=a.split_seed)
    texts, _ = verses_of_corpus()
    train, test = ([texts[i] for i in part] for part in split_of(len(texts), seed=a.split_seed))
    most = np.bincount(data.y_train).argmax()
    print(f"{data.name}: {len(train):,} training and {len(test):,} test verses, {data.num_classes} classes")
    print(f"the most frequent class: {np.mean(data.y_test == most):.1%}")
    for what, longest in (("words", 1), ("words and pairs of them", 2)):
        counted = CountVectorizer(ngram_range=(1, longest))
        counts, tested = counted.fit_transform(train), counted.transform(test)
        for model in (MultinomialNB(), ComplementNB()):
            right = np.mean(model.fit(counts, data.y_train).predict(tested) == data.y_test)
            print(f"{type(model).__name__} of {what}: {right:.1%}")


if __name__ == "__main__":
    main()
