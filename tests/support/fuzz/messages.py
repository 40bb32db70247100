"""Messages for a method: sound ones about a world, with fields spoilt, and their bytes spoilt."""

import random
from typing import Any

import zstandard
from google.protobuf.descriptor import FieldDescriptor

from support.contract.methods import Method, is_repeated
from support.contract.plain_client import digest
from support.door.messages import spoilt
from support.fuzz.world import FILTERS, World, random_id
from support.raw_cache import fingerprint_of
from xpstore.v1 import artifact_pb2

DEEP = 6
TEXTS: tuple[str, ...] = (
    *("", "\x00", "a\x00b", "\n", "x" * 300, "é" * 5_000, "\U0001f600", "‮", "%", "'", '"', "\\", "../a", "/", "."),
    *("null", "NaN", "[" * 2_000, '{"a": ' * 500, '{"a": NaN}', '{"a": 1e999}', "9" * 400, "-1", "1e400", "\\u0000"),
    *("ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000000", "0" * 32, "A" * 36, "f" * 64),
    *("latest", "v1", "7", "AAAA", "eyJhIjoxfQ", "=", "..", "a//b", "C:/a", "x" * 70_000),
)
NUMBERS = (
    -1,
    0,
    1,
    2,
    100,
    10_001,
    1 << 20,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 53,
    (1 << 62) + 1,
    (1 << 63) - 1,
    -(1 << 63),
)
FLOATS = (0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 5e-324, 1e308)
BYTES = (b"", b"\x00", b"x" * 15, b"x" * 16, b"x" * 31, b"x" * 32, bytes(8), bytes(24), b"\xff" * 4_096)
FIELD = FieldDescriptor


def sound(method: Method, world: World, chance: random.Random) -> Any:
    """A request as a client may send it, most of its fields set."""
    request = method.request()
    _fill(request, method.path, world, chance, 0)
    return request


def _fill(message: Any, path: str, world: World, chance: random.Random, depth: int) -> None:
    one_of = {choice.name: chance.choice(list(choice.fields)).name for choice in message.DESCRIPTOR.oneofs}
    for field in message.DESCRIPTOR.fields:
        choice = field.containing_oneof
        if choice is not None and one_of[choice.name] != field.name:
            continue
        is_rare = field.name in ("phase", "etag", "cache_completion") and chance.random() < 0.6
        if is_rare or depth > DEEP or chance.random() < 0.03 + 0.1 * depth:
            continue
        count = chance.choice((1, 1, 2, 3)) if is_repeated(field) else 1
        for _ in range(count):
            _set(message, field, path, world, chance, depth)


def _set(message: Any, field: Any, path: str, world: World, chance: random.Random, depth: int) -> None:
    held = getattr(message, field.name)
    if field.message_type is not None:
        inner = held.add() if is_repeated(field) else held
        if not is_repeated(field):
            inner.SetInParent()
        _fill(inner, path, world, chance, depth + 1)
        return
    value = world.value(path, field.name, chance)
    if value is None or not _fits(field, value):
        value = _plain(field, chance)
    if is_repeated(field):
        held.append(value)
    else:
        setattr(message, field.name, value)


def _fits(field: Any, value: Any) -> bool:
    kind = {FIELD.CPPTYPE_STRING: bytes if field.type == FIELD.TYPE_BYTES else str}.get(field.cpp_type, int)
    return isinstance(value, kind)


def _plain(field: Any, chance: random.Random) -> Any:
    match field.cpp_type:
        case FIELD.CPPTYPE_STRING:
            return b"data" * chance.randrange(9) if field.type == FIELD.TYPE_BYTES else "text"
        case FIELD.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FIELD.CPPTYPE_DOUBLE | FIELD.CPPTYPE_FLOAT:
            return chance.choice(FLOATS)
        case FIELD.CPPTYPE_ENUM:
            return chance.choice((0, 1, 2, 3, 99))
        case _:
            return chance.choice((0, 0, 1, 2, 7))


def _fields(message: Any) -> list[tuple[Any, Any]]:
    """The scalar fields of a message and of those in it that are set."""
    found = []
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None:
            found.append((message, field))
        elif is_repeated(field):
            found += [one for inner in getattr(message, field.name) for one in _fields(inner)]
        elif message.HasField(field.name):
            found += _fields(getattr(message, field.name))
    return found


def bad_value(field: Any, chance: random.Random) -> Any:
    """A value that the wire can say and a service should refuse, or bear."""
    match field.cpp_type:
        case FIELD.CPPTYPE_STRING:
            return chance.choice(BYTES if field.type == FIELD.TYPE_BYTES else TEXTS)
        case FIELD.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FIELD.CPPTYPE_DOUBLE | FIELD.CPPTYPE_FLOAT:
            return chance.choice(FLOATS)
        case FIELD.CPPTYPE_ENUM:
            return chance.choice((-1, 0, 99, (1 << 31) - 1))
    bits = 64 if field.cpp_type in (FIELD.CPPTYPE_INT64, FIELD.CPPTYPE_UINT64) else 32
    is_signed = field.cpp_type in (FIELD.CPPTYPE_INT64, FIELD.CPPTYPE_INT32)
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
    return chance.choice([number for number in NUMBERS if least <= number <= most])


def spoil_field(message: Any, chance: random.Random) -> None:
    """Gives a field a value that it should not have, or takes it away, or repeats it."""
    owner, field = chance.choice(_fields(message) or [(None, None)])
    if owner is None:
        return
    if chance.random() < 0.1:
        owner.ClearField(field.name)
    elif is_repeated(field):
        times = chance.choice((1, 1, 2, 1_001)) if chance.random() < 0.3 else 1
        value = bad_value(field, chance)
        getattr(owner, field.name).extend([value] * (times if len(str(value)) < 100 else 1))
    else:
        setattr(owner, field.name, bad_value(field, chance))


def messages_for(method: Method, world: World, chance: random.Random) -> list[bytes]:
    """The messages of one call, from sound to raw."""
    count = 1
    if method.descriptor.client_streaming:
        count = chance.choice((0, 1, 1, 1, 2, 2, 3, 5))
    elif chance.random() < 0.06:
        count = chance.choice((0, 2))
    made = []
    for _ in range(count):
        message = _special(method, world, chance) or sound(method, world, chance)
        for _ in range(chance.choice((0, 0, 0, 0, 1, 1, 2))):
            spoil_field(message, chance)
        data = message.SerializeToString()
        if chance.random() < 0.25:
            data = chance.choice(list(spoilt(data, chance)))
        elif chance.random() < 0.05:
            data = chance.randbytes(chance.choice((0, 1, 5, 50, 3_000)))
        made.append(data)
    return made


def _special(method: Method, world: World, chance: random.Random) -> Any:
    """What a field of bytes or text has a language of its own for: manifests, filters, frames, fingerprints."""
    name, uid = method.descriptor.name, world.kept["project_uid"]
    if chance.random() < 0.4:
        return None
    if name == "SearchModels":
        return method.request(project_uid=uid, filter=a_filter(chance), order_by=chance.choice(("", "step", "a b")))
    if name == "UploadChunks":
        data = a_frame(chance)
        return method.request(project_uid=uid, chunks=[data])
    if name == "CommitArtifact":
        return _commit(method, world, chance)
    if name == "UploadFile":
        return _file_part(method, world, chance)
    return None


def a_filter(chance: random.Random) -> str:
    """A text that is nearly a filter."""
    text = chance.choice(FILTERS)
    for _ in range(chance.choice((0, 1, 2, 6))):
        place = chance.randrange(len(text) + 1)
        words = (
            "(",
            ")",
            "not ",
            " and ",
            " or ",
            "'",
            '"',
            "[",
            "]",
            ".",
            "9" * 30,
            "1e",
            "like",
            "in",
            "\x00",
            "é",
            "%",
        )
        text = text[:place] + chance.choice(words) + text[place + chance.choice((0, 0, 1, 3)) :]
    shape = chance.random()
    if shape < 0.1:
        depth = chance.choice((5, 29, 31, 500))
        return "(" * depth + text + ")" * depth
    return f" {chance.choice(('and', 'or'))} ".join([text] * chance.choice((2, 49, 51, 200))) if shape < 0.2 else text


def a_frame(chance: random.Random) -> artifact_pb2.Chunk:
    """A chunk whose frame of zstd may say anything."""
    raw = chance.randbytes(50) * chance.choice((1, 20, 2_000))
    data = zstandard.ZstdCompressor(write_content_size=chance.random() < 0.7).compress(raw)
    if chance.random() < 0.5:
        data = chance.choice(list(spoilt(data, chance)))
    size = len(raw) if chance.random() < 0.8 else chance.choice(NUMBERS)
    return artifact_pb2.Chunk(digest=digest(raw), codec=artifact_pb2.CODEC_ZSTD, raw_size_bytes=size, data=data)


def _commit(method: Method, world: World, chance: random.Random) -> Any:
    page = world.kept["page"]
    request = method.request(project_uid=world.kept["project_uid"], version_id=random_id(chance))
    request.draft.name, request.draft.type = f"fuzz-{chance.randrange(20)}", "directory"
    request.manifest.pages.add(digest=digest(page), size_bytes=len(page), first_path="a.bin")
    if chance.random() < 0.5:
        done = request.cache_completion
        done.token = world.kept["token"]
        done.process.name = chance.choice(("f", "g"))
        for kind in range(chance.randrange(4)):
            done.process.parts.add(kind=kind + 1, name="a", fingerprint="0" * 64)
        done.fingerprint = fingerprint_of(done.process)
    return request


def _file_part(method: Method, world: World, chance: random.Random) -> Any:
    if chance.random() < 0.5:
        return method.request(data=chance.randbytes(chance.choice((0, 1, 1_000))), finish=chance.random() < 0.3)
    header = {"upload_id": random_id(chance), "project_uid": world.kept["project_uid"], "path": "a.bin"}
    draft = {"name": f"fuzz-{chance.randrange(20)}", "type": "directory"}
    return method.request(header={**header, "draft": draft}, finish=chance.random() < 0.3)


def spoilt_page(page: bytes, chance: random.Random) -> bytes:
    """A manifest page that is nearly sound."""
    found = artifact_pb2.ManifestPage.FromString(page)
    for _ in range(chance.choice((0, 1, 2))):
        spoil_field(found, chance)
    data = found.SerializeToString()
    return chance.choice(list(spoilt(data, chance))) if chance.random() < 0.4 else data
