"""Describes the contract as OpenAPI 3.1, with its comments: what the server gives at /openapi.json.

scripts/gen calls it: python scripts/openapi.py IMAGE OUTPUT. The image is that of `buf build`, with source info.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    MethodOptions,
)

PACKAGE = "xpstore.v1"
KIND = FieldDescriptorProto
# Numbers of fields of descriptors, of which the paths of comments consist.
MESSAGE, ENUM, SERVICE, FIELD, NESTED, METHOD, VALUE = 4, 5, 6, 2, 3, 2, 2
Json = dict[str, Any]

ABOUT = """The service that stores machine-learning experiments, over HTTP.

Every method is a POST of one JSON object (the Connect protocol); those that change nothing are a GET too. Send
`Authorization: Bearer KEY`. Streams have envelopes: see docs/http.md, which also tells of files."""
SCALARS: dict[int, Json] = {
    KIND.TYPE_INT32: {"type": "integer", "format": "int32"},
    KIND.TYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0},
    KIND.TYPE_INT64: {"type": "string", "format": "int64"},
    KIND.TYPE_UINT64: {"type": "string", "format": "uint64"},
    KIND.TYPE_DOUBLE: {"$ref": "#/components/schemas/Real"},
    KIND.TYPE_FLOAT: {"$ref": "#/components/schemas/Real"},
    KIND.TYPE_BOOL: {"type": "boolean"},
    KIND.TYPE_STRING: {"type": "string"},
    KIND.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
REAL: Json = {
    "description": "A number; what JSON has none for, as a string.",
    "oneOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
}
ERROR: Json = {
    "description": "How a call failed.",
    "type": "object",
    "required": ["code"],
    "properties": {
        "code": {"type": "string", "description": "The status of gRPC in small letters, such as not_found."},
        "message": {"type": "string"},
        "details": {
            "type": "array",
            "description": "A google.rpc.ErrorInfo with reason and metadata, perhaps a google.rpc.RetryInfo.",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "value": {"type": "string", "contentEncoding": "base64", "description": "The serialized message."},
                    "debug": {"type": "object", "description": "The same to be read."},
                },
            },
        },
    },
}
FAILURE: Json = {
    "description": "An error; the status of HTTP follows from its code.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def described(image: FileDescriptorSet) -> Json:
    """The description of all services of the package."""
    files = [file for file in image.file if file.package == PACKAGE]
    paths: Json = {}
    schemas: Json = {"Error": ERROR, "Real": REAL}
    tags = []
    for file in files:
        comments = comments_of(file)
        schemas |= dict(_messages(file.message_type, "", (MESSAGE,), comments))
        schemas |= {enum.name: _enum(enum, (ENUM, at), comments) for at, enum in enumerate(file.enum_type)}
        for number, service in enumerate(file.service):
            tags.append({"name": service.name, "description": comments.get((SERVICE, number), "")})
            for at, method in enumerate(service.method):
                text = comments.get((SERVICE, number, METHOD, at), "")
                paths[f"/{PACKAGE}.{service.name}/{method.name}"] = _path(service.name, method, text)
    return {
        "openapi": "3.1.0",
        "info": {"title": "xpstore", "version": "1.0", "description": ABOUT, "license": {"name": "Apache-2.0"}},
        "security": [{"key": []}],
        "tags": sorted(tags, key=lambda tag: tag["name"]),
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(sorted(schemas.items())),
        },
    }


def comments_of(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """The comments before things, by their paths."""
    return {
        tuple(place.path): "\n".join(line.removeprefix(" ") for line in place.leading_comments.rstrip().split("\n"))
        for place in file.source_code_info.location
        if place.leading_comments
    }


def _messages(
    found: Sequence[DescriptorProto], prefix: str, path: tuple[int, ...], comments: dict[tuple[int, ...], str]
) -> Iterator[tuple[str, Json]]:
    for at, message in enumerate(found):
        here, name = (*path, at), f"{prefix}{message.name}"
        if not message.options.map_entry:
            yield name, _message(message, here, comments)
        yield from _messages(message.nested_type, f"{name}.", (*here, NESTED), comments)


def _message(message: DescriptorProto, path: tuple[int, ...], comments: dict[tuple[int, ...], str]) -> Json:
    properties: Json = {}
    choices: dict[int, list[str]] = {}
    for at, field in enumerate(message.field):
        properties[field.json_name] = _field(field, comments.get((*path, FIELD, at), ""))
        if field.HasField("oneof_index") and not field.proto3_optional:
            choices.setdefault(field.oneof_index, []).append(field.json_name)
    text = comments.get(path, "")
    for names in choices.values():
        text += f"\n\nAt most one of {', '.join(names)}."
    return {"type": "object", "description": text.strip(), "properties": properties, "additionalProperties": False}


def _field(field: FieldDescriptorProto, text: str) -> Json:
    schema = dict(_schema(field))
    if field.label == KIND.LABEL_REPEATED:
        schema = {"type": "array", "items": schema}
    return {**schema, "description": text} if text else schema


def _schema(field: FieldDescriptorProto) -> Json:
    if field.type == KIND.TYPE_ENUM or field.type_name.startswith(f".{PACKAGE}."):
        return {"$ref": f"#/components/schemas/{field.type_name.removeprefix(f'.{PACKAGE}.')}"}
    if field.type_name == ".google.protobuf.FieldMask":
        return {"type": "string", "description": "Names of fields, with commas between."}
    if field.type == KIND.TYPE_MESSAGE:
        raise SystemExit(f"scripts/openapi.py: no schema for {field.type_name}: say here how JSON has it")
    return SCALARS[field.type]


def _enum(enum: EnumDescriptorProto, path: tuple[int, ...], comments: dict[tuple[int, ...], str]) -> Json:
    values = [
        f"- `{value.name}`: {' '.join(comments.get((*path, VALUE, at), '').split())}"
        for at, value in enumerate(enum.value)
    ]
    text = "\n".join([comments.get(path, ""), "", *values])
    return {"type": "string", "description": text, "enum": [value.name for value in enum.value]}


def _path(service: str, method: MethodDescriptorProto, text: str) -> Json:
    is_stream = method.client_streaming or method.server_streaming
    type_ = "application/connect+json" if is_stream else "application/json"
    ask, answer = (
        {"schema": {"$ref": f"#/components/schemas/{name.removeprefix(f'.{PACKAGE}.')}"}}
        for name in (method.input_type, method.output_type)
    )
    shared: Json = {"tags": [service], "summary": text.split(".")[0].replace("\n", " "), "description": text}
    good = f"One {'message of the stream' if is_stream else 'message'}."
    answers = {"200": {"description": good, "content": {type_: answer}}, "default": FAILURE}
    name = f"{service}_{method.name}"
    post = {"requestBody": {"required": True, "content": {type_: ask}}, "responses": answers}
    found: Json = {"post": {**shared, "operationId": name, **post}}
    if method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS and not is_stream:
        parameters = [
            {"name": "encoding", "in": "query", "required": True, "schema": {"enum": ["json"]}},
            {"name": "message", "in": "query", "required": True, "content": {"application/json": ask}},
        ]
        found["get"] = {**shared, "operationId": f"{name}_get", "parameters": parameters, "responses": answers}
    return found


def main() -> None:
    image, output = map(Path, sys.argv[1:])
    text = json.dumps(described(FileDescriptorSet.FromString(image.read_bytes())), ensure_ascii=False, indent=1)
    output.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
