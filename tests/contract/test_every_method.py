"""What every method must have: a role, its project, a bound, documented errors, and what a repetition does."""

import re

import pytest

from support.contract.methods import ROOT, Method, fields_of, is_of, methods, resolve
from xpstore.v1 import access_pb2, error_pb2

METHODS = methods()
every = pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])
REASONS = [name.removeprefix("ERROR_REASON_") for name in error_pb2.ErrorReason.keys()[1:]]
# What acts in no project that a request could name.
NAMES_NO_PROJECT = {
    "LimitsService.GetLimits",
    "ProjectService.CreateProject",  # there is none yet
    "ProjectService.ListProjects",
    "CacheService.RenewCacheLeases",  # whoever has a token of a lease holds it
    "CacheService.FailCacheLease",
    "CacheService.ReleaseCacheLease",
}
REPEATS = re.compile(r"Repeat safely|changes nothing and succeeds")


def test_there_are_as_many_as_the_services_have() -> None:
    assert len(METHODS) >= 84 and len({method.name for method in METHODS}) == len(METHODS)


@every
def test_needs_a_role(method: Method) -> None:
    assert method.access.role in access_pb2.Role.values()[1:]
    reads = re.match(r"(Get|List|Search|Aggregate|Read|Explain|Locate)", method.descriptor.name)
    if reads and method.descriptor.name != "GetUpload":  # which is the uploader's alone
        assert method.access.role == access_pb2.ROLE_VIEWER and method.has_no_effect
    assert method.has_no_effect == bool(reads), "NO_SIDE_EFFECTS is for what reads, and for nothing else"


@every
def test_says_which_fields_name_its_project(method: Method) -> None:
    for path in method.access.project:
        field = resolve(method.descriptor.input_type, path)
        assert field is not None and field.type == field.TYPE_STRING, path
    assert bool(method.access.project) == (method.name not in NAMES_NO_PROJECT)


@every
def test_has_a_bound(method: Method) -> None:
    assert 0 < method.access.max_entries <= 60_000


@every
def test_says_its_errors(method: Method) -> None:
    _, found, errors = method.comment.partition("Errors:")
    assert found
    named = re.findall(r"^ +- ([A-Z_]+): \S", errors, re.MULTILINE)
    assert [name for name in named if name not in REASONS] == [] and len({*named}) == len(named)
    # Those that every call may have are said once, at ErrorReason.
    assert named or "those of" in errors


@every
def test_says_what_a_repetition_does(method: Method) -> None:
    assert method.has_no_effect or REPEATS.search(" ".join(method.comment.split()))


FIELDS = {
    field.name
    for method in METHODS  # GetLimits among them, with all limits
    for message in (method.descriptor.input_type, method.descriptor.output_type)
    for field in fields_of(message)
}


@every
def test_comment_names_fields_that_are_there(method: Method) -> None:
    assert {*re.findall(r"`([a-z_]+)`", method.comment.partition("Errors:")[0])} <= FIELDS


def test_choices_and_nested_fields_are_of_a_request() -> None:
    request = next(method for method in METHODS if method.descriptor.name == "UploadFile").descriptor.input_type
    assert all(
        is_of(request, path) for path in ("request", "header", "header.draft.name", "header.draft.aliases[3]", "part")
    )
    assert not any(is_of(request, path) for path in ("", "draft", "header.id", "header.path.more", "header.part"))


def test_kinds_of_things_that_errors_name_are_listed() -> None:
    """`resource` of an error is one of those that error.proto has."""
    text = " ".join((ROOT / "proto/xpstore/v1/error.proto").read_text().replace("//", " ").split())
    (listed,) = re.findall(r"`resource` is one of: ([^.]*)\.", text)
    sources = (path.read_text() for path in (ROOT / "server/xpstore_server").rglob("*.py"))
    named = {name for text in sources for name in re.findall(r'(?:NotFound|AlreadyExists)\(\s*"([^"]+)"', text)}
    assert set(listed.split(", ")) == named
