"""A completed cache entry has the fingerprint of its process, or is refused: whichever client, whichever format."""

import json
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.raw_cache import CODE, PARAMETER, RawCache, fingerprint_of, new_token, part_of, process_of
from xpstore import errors
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits

pytestmark = pytest.mark.client  # nothing of it is of a backend

VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "fingerprint-vectors.json").read_text())["processes"]
KINDS = range(1, len(pb.ArtifactProcessPartKind.values()))


@pytest.fixture
def cache(project: xpstore.Project) -> RawCache:
    return RawCache(project._client, project.uid)


def complete(cache: RawCache, fingerprint: str, **completion: Any) -> pb.ArtifactVersion:
    token = new_token()
    assert cache.reserve(fingerprint, token, force=True).HasField("granted")
    return cache.commit(fingerprint, token, **completion).version


def refused(cache: RawCache, fingerprint: str, **completion: Any) -> dict[str, str]:
    with pytest.raises(errors.InvalidArgument) as caught:
        complete(cache, fingerprint, **completion)
    assert cache.lookup(fingerprint) is None and cache.raw.versions() == []
    return dict(caught.value.metadata)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_documented_fingerprints_are_taken(vector: dict[str, Any], cache: RawCache) -> None:
    process = pb.ArtifactProcess(name=vector["process"], parts=vector["parts"])
    assert complete(cache, vector["fingerprint"], process=process, fingerprint_format=2).process == process


@pytest.mark.parametrize("format", [1, 2])
def test_parts_may_come_in_any_order_with_any_text(format: int, cache: RawCache) -> None:
    parts = [part_of(name, str(kind), kind) for kind in KINDS for name in ("z", "ä" * 100, "\U0001f600", "b")]
    right = fingerprint_of(pb.ArtifactProcess(name="f", parts=parts), format)
    for mixed in (parts, parts[::-1], parts[7:] + parts[:7]):
        process = pb.ArtifactProcess(name="f", parts=mixed)
        process.parts[0].text = "in other words"
        assert complete(cache, right, process=process, fingerprint_format=format).fingerprint == right


WRONG: dict[str, pb.ArtifactProcess] = {
    "other name": process_of("g", lr="0.1"),
    "other value": process_of("f", lr="0.2"),
    "other part": process_of("f", rate="0.1"),
    "other kind": pb.ArtifactProcess(name="f", parts=[part_of("lr", "0.1", CODE)]),
    "one part more": process_of("f", lr="0.1", seed="1"),
    "no parts": process_of("f"),
}


@pytest.mark.parametrize("process", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("format", [None, 1, 2])
def test_fingerprint_of_another_process_is_refused(
    process: pb.ArtifactProcess, format: int | None, cache: RawCache
) -> None:
    fingerprint = fingerprint_of(process_of("f", lr="0.1"), format or 1)
    found = refused(cache, fingerprint, process=process, fingerprint_format=format)
    assert (found["field"], found["value"]) == ("cache_completion.fingerprint", fingerprint)


@pytest.mark.parametrize(("said", "meant"), [(None, 2), (1, 2), (2, 1)])
def test_fingerprint_of_another_format_is_refused(said: int | None, meant: int, cache: RawCache) -> None:
    process = process_of("f", lr="0.1")
    found = refused(cache, fingerprint_of(process, meant), process=process, fingerprint_format=said)
    assert found["field"] == "cache_completion.fingerprint"


def test_the_server_says_which_fingerprint_is_right(cache: RawCache) -> None:
    process = process_of("f", lr="0.1")
    with pytest.raises(errors.InvalidArgument, match=fingerprint_of(process, 2)):
        complete(cache, "ab" * 32, process=process, fingerprint_format=2)


def test_wrong_fingerprint_leaves_the_lease_to_its_holder(cache: RawCache) -> None:
    process, token = process_of("f", lr="0.1"), new_token()
    fingerprint = fingerprint_of(process)
    cache.reserve(fingerprint, token)
    with pytest.raises(errors.InvalidArgument):
        cache.commit(fingerprint, token, process=process_of("f"))
    assert cache.renew(token) == [] and cache.commit(fingerprint, token, process=process).created


def test_formats_to_come_are_taken_as_they_are(cache: RawCache) -> None:
    """This server cannot know them, and docs/fingerprint.md says so."""
    unknown = limits.FINGERPRINT_FORMAT + 1
    assert complete(cache, "ab" * 32, process=process_of("f"), fingerprint_format=unknown).fingerprint == "ab" * 32


def test_longest_parts_are_checked_too(cache: RawCache) -> None:
    parts = [part_of(f"{n:0>{limits.PART_NAME_LENGTH}}", str(n), PARAMETER) for n in range(100)]
    process = pb.ArtifactProcess(name="n" * limits.NAME_LENGTH, parts=parts)
    fingerprint = fingerprint_of(process, 2)
    assert complete(cache, fingerprint, process=process, fingerprint_format=2).fingerprint == fingerprint
    process.parts[-1].name = "1" * limits.PART_NAME_LENGTH
    with pytest.raises(errors.InvalidArgument):
        complete(cache, fingerprint, process=process, fingerprint_format=2)
