"""Programs that end at random moments (tests/support/ends.py); `make chaos` runs a thousand."""

import os
import random

import pytest

from support import ends
from support.services import Server

pytestmark = pytest.mark.client

COUNT = int(os.environ.get("XPSTORE_TEST_ENDS") or 8)


@pytest.mark.timeout(75 * COUNT)
def test_what_programs_promise_is_there_or_named(server: Server) -> None:
    seed = int(os.environ.get("XPSTORE_TEST_SEED") or random.SystemRandom().randrange(10_000))
    outcomes = ends.run(server, COUNT, seed)
    assert not [str(outcome) for outcome in outcomes if outcome.faults], f"XPSTORE_TEST_SEED={seed}"
    assert sum(outcome.kept for outcome in outcomes)
