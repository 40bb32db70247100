"""Requests of every method, made by descriptors, with ids from one place and one id from another."""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from support.contract.methods import Method
from support.contract.plain_client import new_id

# What a sound request has in fields of these names, whatever the method. Ids come from a place.
VALUES: dict[str, Any] = {
    "alias": "best",
    "attributes_json": "{}",
    "data": b"data",
    "delta": 1,
    "digests": [bytes(32)],
    "fingerprint": "a" * 64,
    "fingerprints": ["a" * 64],
    "finish": True,
    "hash": "h",
    "mode": 1,
    "name": "loss",
    "outcome": 1,
    "path": "file.bin",
    "record_count": 1,
    "status": 2,
    "title": "t",
    "int_value": 1,
    "type": "directory",
    "way": 1,
}
# Where a name says too little.
SPECIAL: dict[str, Any] = {
    "ExplainCacheEntry.process": {"name": "p"},
    "InvalidateCacheEntries.fingerprint": "a" * 64,
    "OpenPacks.packs.size_bytes": 1,
    "ReserveCacheEntry.token": b"t" * 16,
    "UpdateArtifact.update_mask": {"paths": ["name"]},
    "UpdateArtifactVersion.update_mask": {"paths": ["description"]},
    "UpdateExperiment.update_mask": {"paths": ["description"]},
    "UpdateModel.update_mask": {"paths": ["description"]},
    "UpdateProject.update_mask": {"paths": ["description"]},
}
# Messages that a request is sound without.
LEFT_OUT = ("cache_completion", "manifest", "process", "environment", "points", "series", "chunks", "update_mask")
# What is said instead of another field, which older contracts had alone.
INSTEAD = {"ListModels.project_uid": "experiment_id"}
# Ids that the caller makes, so that whose they are does not matter: ALREADY_EXISTS tells that they are taken.
MADE = {
    "CreateProject.creation_id",
    "CreateProject.project_id",
    "CreateExperiment.experiment_id",
    "CreateModel.model_id",
    "CreateModels.models.model_id",
    "CreateModels.models.modules.module_id",
    "CreateModule.module_id",
    "OpenPacks.packs.pack_id",
    "ClosePacks.pack_ids",
    "CreateIteration.iteration_id",
    "CreateRun.run_id",
    "CommitArtifact.version_id",
    "UploadFile.header.upload_id",
    "AdvanceModel.advance_id",
    "ReportCacheVerification.id",
    "LogMetrics.writer_id",
    "Ingest.writer_id",
    "IngestStream.batch.writer_id",
    "Ingest.models.events.alert.alert_id",
    "IngestStream.batch.models.events.alert.alert_id",
    "Ingest.models.events.iteration.iteration_id",
    "IngestStream.batch.models.events.iteration.iteration_id",
    "Ingest.models.events.module.module_id",
    "IngestStream.batch.models.events.module.module_id",
}


def is_id(field: FieldDescriptor) -> bool:
    """Whether a field names something."""
    is_text = field.type == field.TYPE_STRING
    return is_text and (field.name == "id" or field.name.endswith(("_id", "_ids", "_uid")))


def id_paths(method: Method) -> list[str]:
    """The fields of a request that name what there must be."""
    found = [path for path, field in _walk(method.descriptor.input_type) if is_id(field)]
    return [path for path in found if f"{method.descriptor.name}.{path}" not in MADE]


def _walk(message: Descriptor, above: str = "") -> Iterator[tuple[str, FieldDescriptor]]:
    for field in message.fields:
        yield f"{above}{field.name}", field
        if field.message_type is not None and field.name not in LEFT_OUT:
            yield from _walk(field.message_type, f"{above}{field.name}.")


def request_of(method: Method, ids: Mapping[str, str], path: str, value: str) -> Any:
    """A sound request with all ids from a place but that at `path`."""
    request = method.request()
    _fill(request, method.descriptor.name, ids, "", path, value)
    return request


def _fill(message: Any, method: str, ids: Mapping[str, str], above: str, path: str, value: str) -> None:
    for field in _chosen(message.DESCRIPTOR, above, path):
        here = f"{above}{field.name}"
        if here != path and (f"{method}.{here}" in INSTEAD or INSTEAD.get(f"{method}.{path}") == here):
            continue
        if field.message_type is not None:
            _fill_message(message, field, method, ids, here, path, value)
            continue
        if is_id(field):
            said: Any = (
                value if here == path else new_id() if f"{method}.{here}" in MADE else ids.get(field.name, new_id())
            )
        else:
            said = SPECIAL.get(f"{method}.{here}", VALUES.get(field.name))
        if said is None:
            continue
        if isinstance(getattr(message, field.name), str | bytes | int | float):
            setattr(message, field.name, said)
        else:
            getattr(message, field.name).extend([said] if isinstance(said, str) else said)


def _usual(where: str, field: FieldDescriptor, ids: Mapping[str, str]) -> str:
    return new_id() if where in MADE else ids.get(field.name, new_id())


def _fill_message(
    message: Any, field: FieldDescriptor, method: str, ids: Mapping[str, str], here: str, path: str, value: str
) -> None:
    inner = getattr(message, field.name)
    if special := SPECIAL.get(f"{method}.{here}"):
        inner.MergeFrom(type(inner)(**special))
    elif field.name not in LEFT_OUT and (path.startswith(f"{here}.") or field.name not in ("links", "events")):
        _fill(inner.add() if hasattr(inner, "add") else inner, method, ids, f"{here}.", path, value)


def _chosen(message: Descriptor, above: str, path: str) -> Iterator[FieldDescriptor]:
    """All fields but optional ones that are not asked for, and of a choice the one that is, else the first."""
    for field in message.fields:
        here = f"{above}{field.name}"
        is_asked = path == here or path.startswith(f"{here}.")
        choice = field.containing_oneof
        if choice is None or is_asked:
            yield field
        elif len(choice.fields) > 1 and choice.fields[0] is field:
            is_other = any(f"{path}.".startswith(f"{above}{other.name}.") for other in choice.fields)
            yield from [] if is_other else [field]
