"""Artifacts as messages: requests checked, rows written."""

from typing import Any

from blake3 import blake3
from sqlalchemy import Row

from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.manifest import Entry, check_path
from xpstore_server.core.publish import Draft
from xpstore_server.core.versions import media
from xpstore_server.core.versions.attach import Link, More
from xpstore_server.core.versions.details import Details
from xpstore_server.rpc.artifact_lists import link_to_wire
from xpstore_server.rpc.fields import a_digest, a_json_object, a_name, a_step, a_text, a_type, a_uuid, an_alias
from xpstore_server.rpc.process_wire import process_to_wire
from xpstore_server.rpc.uploads.upload_file import FileHeader
from xpstore_server.store.tables import MEDIA_TYPE


def a_link(field: str, wire: pb.ArtifactLink) -> Link:
    return Link(
        model_id=a_uuid(f"{field}.model_id", wire.model_id),
        iteration_id=a_uuid(f"{field}.iteration_id", wire.iteration_id) if wire.HasField("iteration_id") else None,
        step=a_step(f"{field}.step", wire.step) if wire.HasField("step") else None,
    )


def a_draft(wire: pb.ArtifactDraft) -> Draft:
    bounds = {"aliases": limits.ALIASES, "links": limits.LINKS, "used_version_ids": limits.USED_VERSIONS}
    for field, bound in bounds.items():
        if len(getattr(wire, field)) > bound:
            raise InvalidArgument(f"draft.{field}", len(getattr(wire, field)), f"must be at most {bound}")
    draft = Draft(
        name=a_name("draft.name", wire.name),
        type=a_type("draft.type", wire.type),
        description=a_text("draft.description", wire.description) if wire.HasField("description") else None,
        metadata_json=a_json_object("draft.metadata_json", wire.metadata_json) if wire.metadata_json else "",
        more=More(
            links=[a_link("draft.links", link) for link in wire.links],
            aliases=[an_alias("draft.aliases", alias) for alias in dict.fromkeys(wire.aliases)],
            used_version_ids=[a_uuid("draft.used_version_ids", id_) for id_ in dict.fromkeys(wire.used_version_ids)],
        ),
        force=wire.force,
        metadata_is_implied=wire.metadata_is_implied,
        newest_id=_a_newest(wire.newest_version_id) if wire.HasField("newest_version_id") else None,
    )
    if draft.type == MEDIA_TYPE:
        media.check_draft(
            name=draft.name, links=draft.more.links, metadata_json=draft.metadata_json, is_forced=draft.force
        )
    return draft


def _a_newest(version_id: str) -> str:
    return a_uuid("draft.newest_version_id", version_id) if version_id else ""


def a_header(wire: pb.UploadFileHeader) -> FileHeader:
    if wire.HasField("size_bytes") and wire.size_bytes < 0:
        raise InvalidArgument("size_bytes", wire.size_bytes, "must not be negative")
    if wire.offset < 0:
        raise InvalidArgument("offset", wire.offset, "must not be negative")
    for field in ("blake3", "sha256"):
        if getattr(wire, field):
            a_digest(field, getattr(wire, field))
    bare = pb.UploadFileHeader()
    bare.CopyFrom(wire)
    bare.ClearField("offset")
    bare.draft.ClearField("newest_version_id")  # when to publish, not what: each part of an upload may say it anew
    return FileHeader(
        upload_id=a_uuid("upload_id", wire.upload_id),
        project_uid=a_uuid("project_uid", wire.project_uid),
        draft=a_draft(wire.draft),
        path=check_path("path", wire.path),
        size_bytes=wire.size_bytes if wire.HasField("size_bytes") else None,
        blake3=wire.blake3,
        sha256=wire.sha256,
        offset=wire.offset,
        hash=blake3(bare.SerializeToString(deterministic=True)).digest(),
    )


def version_to_wire(row: Row[Any], details: Details) -> pb.ArtifactVersion:
    return pb.ArtifactVersion(
        id=row.id,
        artifact_id=row.artifact_id,
        project_uid=row.project_uid,
        name=row.name,
        type=row.type,
        version=row.version,
        digest=row.digest,
        fingerprint=row.fingerprint,
        size_bytes=row.size_bytes,
        file_count=row.file_count,
        description=row.description,
        metadata_json=row.metadata_json,
        aliases=[row.alias for row in details.aliases.rows],
        alias_count=details.aliases.count,
        links=map(link_to_wire, details.links.rows),
        link_count=details.links.count,
        used_version_ids=[row.used_version_id for row in details.used.rows],
        used_version_count=details.used.count,
        created_at_us=row.created_at_us,
        created_by=row.created_by,
        updated_at_us=row.updated_at_us,
        updated_by=row.updated_by,
        etag=str(row.revision),
        process=process_to_wire(row.process_json),
        deleted_at_us=row.deleted_at_us,
    )


def artifact_to_wire(row: Row[Any], latest: pb.ArtifactVersion) -> pb.Artifact:
    return pb.Artifact(
        id=row.id,
        project_uid=row.project_uid,
        name=row.name,
        type=row.type,
        latest=latest,
        created_at_us=row.created_at_us,
        created_by=row.created_by,
        updated_at_us=row.updated_at_us,
        updated_by=row.updated_by,
        etag=str(row.revision),
    )


def file_to_wire(entry: Entry) -> pb.ArtifactFile:
    return pb.ArtifactFile(
        path=entry.path,
        type=pb.FILE_TYPE_DIRECTORY if entry.is_directory else pb.FILE_TYPE_FILE,
        executable=entry.executable,
        size_bytes=entry.size_bytes,
        digest=entry.digest,
    )
