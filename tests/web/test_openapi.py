"""The description of the contract: each method is in it, and all that it refers to."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from support.contract.methods import Method, methods

METHODS = methods()
OPENAPI: Any = json.loads(files("xpstore_server.web").joinpath("openapi.json").read_text())


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


@pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])
def test_method_is_there(method: Method) -> None:
    path = OPENAPI["paths"][method.path]
    said = path["post"]
    is_stream = "application/connect+json" in said["requestBody"]["content"]
    assert ("get" in path) == (method.has_no_effect and not is_stream)
    (content,) = said["requestBody"]["content"].values()
    assert content["schema"]["$ref"].rpartition("/")[2] == method.descriptor.input_type.name
    assert said["description"] and said["summary"]


def test_every_reference_leads_somewhere() -> None:
    schemas = OPENAPI["components"]["schemas"]
    assert {*references(OPENAPI)} <= {f"#/components/schemas/{name}" for name in schemas}
    assert len(OPENAPI["paths"]) == len(METHODS)


def test_types_are_those_of_json() -> None:
    limits = OPENAPI["components"]["schemas"]["Limits"]["properties"]
    assert limits["maxStreamBytes"]["type"] == "string" and limits["maxPoints"]["type"] == "integer"
    assert OPENAPI["openapi"] == "3.1.0"


def test_operations_have_names_of_their_own() -> None:
    names = [one["operationId"] for path in OPENAPI["paths"].values() for one in path.values()]
    assert len(names) == len({*names})
