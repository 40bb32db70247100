"""Fingerprints of scikit-learn's estimators and scipy's sparse arrays."""

from typing import Any

from xpstore._identity.nodes import Branch, Fields, NodeType, named
from xpstore._identity.reductions import attributes

# A vectorizer remembers where in memory its stop words are.
_OF_THE_PROCESS = {"_stop_words_id"}
# Trees of neighbours count what they were asked, in these places of their state.
_NEIGHBOUR_TREES = {"sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree"}
_TREE_STATE, _COUNTED = 13, slice(7, 11)


def expand_sklearn(value: Any) -> Branch | None:
    """An estimator: its parameters and what fitting made of it. Its trees are compiled, and say their state."""
    from sklearn.base import BaseEstimator  # here, as it is loaded for what is its own alone
    from sklearn.tree._tree import Tree  # the same
    from sklearn.utils import Bunch  # the same

    if isinstance(value, BaseEstimator):
        fields = {name: item for name, item in vars(value).items() if name not in _OF_THE_PROCESS}
        return named(NodeType.FIELDS, value, (None, attributes(fields)))
    if type(value).__module__ in _NEIGHBOUR_TREES and len(state := value.__getstate__()) == _TREE_STATE:
        return named(NodeType.FIELDS, value, (None, state[: _COUNTED.start] + state[_COUNTED.stop :]))
    if type(value) is Bunch:  # what it has beside its entries is lost when it is copied
        return named(NodeType.SUBCLASS, value, (None, dict(value)), (None, Fields()))
    if type(value) is Tree:
        return named(NodeType.FIELDS, value, (None, Fields(value.__getstate__())))
    return None


# What each layout consists of. What is noted beside, such as whether indices are sorted, is found out when it is asked.
LAYOUTS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "coords"),
    "dia": ("data", "offsets"),
    "lil": ("data", "rows"),
}


def expand_scipy(value: Any) -> Branch | None:
    """A sparse matrix or array: as it is laid out, which functions can tell."""
    from scipy import sparse  # here, as it is loaded for what is its own alone

    if not sparse.issparse(value):
        return None
    if value.format == "dok":
        entries = [(tuple(map(int, key)), item) for key, item in value.items()]
        return named(NodeType.FIELDS, value, (None, Fields(shape=value.shape, dtype=value.dtype, entries=entries)))
    parts = {name: getattr(value, name) for name in LAYOUTS[value.format]}
    return named(NodeType.FIELDS, value, (None, Fields(shape=value.shape, **parts)))
