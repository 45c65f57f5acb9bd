"""Small tables that come with scikit-learn, each feature standardised: wine, breast cancer, iris; diabetes."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from actlab.data.dataset import Dataset
from actlab.data.splits import shuffled, standardised
from actlab.errors import InputError


def wine() -> Dataset:
    """Return the wines: 13 chemical measurements of 178 wines from 3 cultivars (142 for training, 36 for test).

    Raises:
        InputError: scikit-learn is not installed.

    Source: Aeberhard & Forina 1992, UCI "Wine", doi:10.24432/C5PC7J.
    """
    return _table("wine")


def breast_cancer() -> Dataset:
    """Return the tumours: 30 features of 569 cell images, malignant or benign (455 for training, 114 for test).

    Raises:
        InputError: scikit-learn is not installed.

    Source: Wolberg, Mangasarian, Street, Street 1993, UCI "Breast Cancer Wisconsin", doi:10.24432/C5DW2B.
    """
    return _table("breast_cancer")


def iris() -> Dataset:
    """Return the irises: 4 lengths of 150 flowers of 3 species (120 for training, 30 for test).

    scikit-learn's copy follows Fisher's paper; UCI's own differs from it in two flowers.

    Raises:
        InputError: scikit-learn is not installed.

    Source: Fisher 1936, Annals of Eugenics 7, doi:10.1111/j.1469-1809.1936.tb02137.x.
    """
    return _table("iris")


def diabetes() -> Dataset:
    """Return the diabetics: 10 features of 442 people, and how far the disease went a year on, to be regressed.

    353 for training, 89 for test; the target is standardised too, so that a mean squared error of 1 is what the mean
    says.

    Raises:
        InputError: scikit-learn is not installed.

    Source: Efron, Hastie, Johnstone, Tibshirani 2004, Annals of Statistics 32, doi:10.1214/009053604000000067.
    """
    x, y = sklearn_datasets("diabetes").load_diabetes(return_X_y=True)
    x_train, y_train, x_test, y_test = shuffled(x, y[:, None])
    return Dataset("diabetes", *_paired(standardised(x_train, x_test), standardised(y_train, y_test)))


def _paired(x: tuple[np.ndarray, ...], y: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    return x[0], y[0], x[1], y[1]


def sklearn_datasets(data: str) -> Any:
    """Return the module ``sklearn.datasets``, or raise InputError naming who needs it."""
    try:
        return importlib.import_module("sklearn.datasets")
    except ImportError:
        raise InputError(f"data={data} needs scikit-learn: pip install 'actlab[data]'") from None


def _table(name: str) -> Dataset:
    x, y = getattr(sklearn_datasets(name), f"load_{name}")(return_X_y=True)
    x_train, y_train, x_test, y_test = shuffled(x, y.astype(np.int32))
    x_train, x_test = standardised(x_train, x_test)
    return Dataset(name, x_train, y_train, x_test, y_test, num_classes=int(y.max()) + 1)
