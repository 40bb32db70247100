"""Own estimators of scikit-learn, as globals and as arguments: K1 and K10."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from support.programs.fault import Fault, Lab, edited, wanted
from support.programs.running import Warm

ESTIMATOR = """
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline

class T(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return [x * 2 for x in X]

PIPE = make_pipeline(T()).fit([1])

@cached
def piped(x):
    return PIPE.transform([x])[0]

@cached
def given(x, t):
    return t.transform([x])[0]
"""
EDIT = ("x * 2", "x * 20")
FAULTS = [
    edited("K1", "pipeline", ESTIMATOR, EDIT, "piped(1)", "2", "20"),
    edited("K10", "estimator", ESTIMATOR, EDIT, "given(1, T())", "2", "20"),
    edited("K10", "pipeline", ESTIMATOR, EDIT, "given(1, PIPE)", "2", "20"),
]


@pytest.fixture(scope="module")
def learning(lab: Lab) -> Iterator[Lab]:
    """Loads scikit-learn once."""
    with Warm(1, "sklearn.pipeline", "xpstore.run") as warm:
        yield replace(lab, warm=warm)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_an_edit_of_an_own_estimator_is_a_miss(learning: Lab, fault: Fault) -> None:
    assert learning.run(fault) == wanted(fault)
