"""Explanation artifacts, under the name of xpdeep."""

from xpstore.artifact import ExplanationArtifact

__all__ = ["ExplanationArtifact"]
