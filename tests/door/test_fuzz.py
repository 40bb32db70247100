"""Calls that no client should make, as many as fit into some seconds; `make fuzz` makes 200,000 on each backend."""

import os

import pytest

from support.fuzz.__main__ import faults_of
from support.fuzz.run import METHODS, Fuzz
from support.services import Server

SEED = int(os.environ.get("XPSTORE_TEST_SEED", "15"))
CALLS = 5_000
SECONDS = 60


@pytest.mark.client
def test_spoilt_calls_are_refused_by_name_and_harm_nothing(server: Server) -> None:
    outcome = Fuzz(server, SEED).run(CALLS, SECONDS)
    told = f"seed {SEED}: {outcome.calls} calls, {dict(outcome.codes)}"
    print(told)
    assert server.running and faults_of(outcome) == [], told
    # Enough of them got through to where something is done. A crowded machine makes few.
    assert outcome.codes["OK"] > outcome.calls / 10, told
    assert len(outcome.by_method) > len(METHODS) * 0.9 or outcome.calls < 1_000, told
