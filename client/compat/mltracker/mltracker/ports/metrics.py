"""Metrics, and their collection."""

from xpstore.metric import Metric, Metrics

__all__ = ["Metric", "Metrics"]
