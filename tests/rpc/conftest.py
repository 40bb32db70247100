"""Fixtures of the tests of RPCs."""

import pytest

import xpstore
from support.raw_cache import RawCache


@pytest.fixture
def cache(project: xpstore.Project) -> RawCache:
    return RawCache(project._client, project.uid)
