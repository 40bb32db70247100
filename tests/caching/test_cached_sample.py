"""Which hits are computed again: a share of them, as an option or the setting says."""

import os
import random
from typing import Any

import numpy as np
import pytest

import xpstore
from support.computed import calls, outcomes, seen, unchecked, world
from xpstore import cached, errors
from xpstore._caching.sampling import Sample, Samples

pytestmark = pytest.mark.client


def test_half_of_the_hits_is_each_second(project: xpstore.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project._client.kept(Samples), "draw", random.Random(7).random)
    half = cached(name="half", version=1, verify=0.5)(seen.__wrapped__)
    world["k"] = 1
    half("k")
    for number in range(1, 11):
        half("k"), half("k")
        assert len(calls) == 1 + number
    assert outcomes(project) == {"same": 10}


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.3, 0.1, 0.01])
def test_samples_have_their_share_and_every_place_in_them_is_as_likely(share: float) -> None:
    generator, length = random.Random(7), 400
    taken = np.zeros(length)
    for _ in range(2_000):
        sample = Sample(generator.random)
        ours = np.array([sample.takes(share) for _ in range(length)])
        assert (ours.cumsum() <= np.arange(1, length + 1) * share + 1).all()
        taken += ours
    assert abs(taken.sum() / 2_000 - share * length) <= 1
    if (1 / share).is_integer():
        # Five times the deviation that chance has.
        assert abs(taken - 2_000 * share).max() <= 5 * (2_000 * share * (1 - share)) ** 0.5


def test_nothing_is_chosen_of_no_share() -> None:
    sample = Sample(lambda: 0.0)
    assert not any(sample.takes(0.0) for _ in range(100))


def test_setting_counts_for_all_that_do_not_say_otherwise(
    project: xpstore.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = cached(name="unchecked", version=1, verify=0)(unchecked.__wrapped__)
    world["k"] = 1
    unchecked("k"), unchecked("k")
    assert calls == ["k"]
    monkeypatch.setenv("XPSTORE_CACHE_VERIFY", "1")
    unchecked("k"), never("k")
    assert calls == ["k"] * 2 and outcomes(project) == {"same": 1}


@pytest.mark.parametrize("text", ["2", "-1", "some", "nan", "inf"])
def test_malformed_setting_is_named(project: xpstore.Project, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("XPSTORE_CACHE_VERIFY", text)
    with pytest.raises(errors.InvalidArgument, match=r"XPSTORE_CACHE_VERIFY = .*must be a number"):
        unchecked("k")
    assert calls == []


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), True, "1", [1]])
def test_malformed_share_is_refused_where_it_is_said(value: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"verify = .*: must be a number from 0 to 1"):
        cached(verify=value)(unchecked.__wrapped__)


def test_what_is_to_compare_must_be_callable() -> None:
    with pytest.raises(errors.InvalidArgument, match="same = 1e-06: must be a function of two values"):
        cached(same=1e-6)(unchecked.__wrapped__)  # type: ignore[call-overload]


def test_results_that_are_artifacts_alone_have_no_such_options(project: xpstore.Project) -> None:
    with pytest.raises(TypeError, match="there is no option 'verify'"):
        project.cache.get_or_compute("p", {}, lambda: 1, verify=1.0)  # type: ignore[call-arg]


def test_forked_worker_draws_for_itself(project: xpstore.Project) -> None:
    draws = project._client.kept(Samples)
    pid = os.fork()
    if not pid:
        os._exit(project._client.kept(Samples) is draws)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
