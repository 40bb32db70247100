"""A short run of tests/support/chaos.py, each victim once; `make chaos` is the long one, with a hundred kills."""

import os
import random

import pytest

from support import chaos


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", chaos.BACKENDS)
def test_uploads_finish_whole_whoever_is_killed(name: str, cache: object) -> None:
    seed = int(os.environ.get("XPSTORE_TEST_SEED") or random.SystemRandom().randrange(10_000))
    kills = len(chaos.BACKENDS[name])
    outcomes = chaos.run(name, kills, seed)
    print(chaos.summary(name, outcomes))
    assert not [fault for outcome in outcomes for fault in outcome.faults], f"XPSTORE_TEST_SEED={seed}"
    assert sum(len(outcome.kills) for outcome in outcomes) == kills
    # An upload may end before its kill: then another victim's turn comes instead.
    assert {victim for outcome in outcomes for victim in outcome.kills} <= set(chaos.BACKENDS[name])
