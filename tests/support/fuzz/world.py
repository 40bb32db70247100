"""What calls are about: one thing of each kind on a server, and values that fields of these names may have."""

import random
import secrets
import uuid
from typing import Any

from support.contract.plain_client import PlainClient, digest, new_id
from support.raw_cache import fingerprint_of, process_of

FILTERS = (
    "step > 1",
    "name = 'a' and not tags = 'b'",
    "metrics.loss.last < 1 or config.lr is null",
    "created_at > '2026-01-01'",
    'metrics."val/acc"[test].max >= 0.5',
    "name like 'a%' and (step in (1, 2) or status = 'running')",
)


class World:
    """One thing of each kind, and another that may be deleted."""

    def __init__(self, client: PlainClient) -> None:
        self._client = client
        self.pages = dict[str, list[str]]()  # tokens that lists answered, by path of the method
        self.kept = self._make()
        self.spare = self._make()

    def renew(self) -> None:
        """Makes a new spare thing of each kind, as calls have deleted the last ones."""
        self.spare = self._make()

    def _make(self) -> dict[str, Any]:
        call = self._client
        id_ = f"fuzz {new_id()}"
        project = call("CreateProject", project_id=id_, name="n", creation_id=new_id()).project
        experiment = call("CreateExperiment", project_uid=project.uid, experiment_id=new_id(), name="e").experiment
        made = {"experiment_id": experiment.id, "model_id": new_id(), "hash": "h", "tags": ["a", "b"]}
        model = call("CreateModel", **made, config_json='{"lr": 0.1}').model
        iteration = call("CreateIteration", model_id=model.id, iteration_id=new_id(), step=3).iteration
        module = call("CreateModule", model_id=model.id, module_id=new_id(), name="optimizer").module
        run = call("CreateRun", model_id=model.id, run_id=new_id()).run
        writer = new_id()
        points: list[dict[str, Any]] = [{"name": "loss", "float_value": 1 / n, "step": n} for n in range(1, 50)]
        call("LogMetrics", model_id=model.id, writer_id=writer, points=[*points, {"name": "x", "json_value": "[1]"}])
        metric = call("ListMetrics", model_id=model.id, page_size=1).metrics[0]
        version = call.publish(project.uid, "tree", {"a.bin": bytes(70_000), "b/c.txt": b"text"}, aliases=["best"])
        page = call.message("ManifestPage", entries=call("ReadManifest", version_id=version.id)[0].entries)
        upload = new_id()
        call.upload(project.uid, "file", "a.bin", b"data", finish=True, upload_id=upload)
        token, fingerprint = secrets.token_bytes(16), fingerprint_of(process_of(fuzz=new_id()))
        held = call("ReserveCacheEntry", project_uid=project.uid, fingerprint=fingerprint, token=token).granted
        return {
            "project_uid": project.uid,
            "project_id": project.id,
            "experiment_id": experiment.id,
            "model_id": model.id,
            "model_ids": model.id,
            "iteration_id": iteration.id,
            "module_id": module.id,
            "run_id": run.id,
            "writer_id": writer,
            "metric_id": metric.id,
            "version_id": version.id,
            "used_version_ids": version.id,
            "artifact_id": version.artifact_id,
            "upload_id": upload,
            "lease_id": held.id,
            "token": token,
            "tokens": token,
            "held_tokens": token,
            "fingerprint": fingerprint,
            "fingerprints": fingerprint,
            "digests": digest(bytes(70_000)),
            "page": page.SerializeToString(),
        }

    def value(self, path: str, field: str, chance: random.Random) -> Any:
        """A sound value of a field of a request, None if it has no name of ours."""
        if field == "page_token":
            known = self.pages.get(path)
            return chance.choice(known) if known and chance.random() < 0.7 else ""
        method = path.rpartition("/")[2]
        if field == f"{method.removeprefix('Create').lower()}_id" and field != "project_id" and chance.random() < 0.8:
            return random_id(chance)  # of what is created
        is_harmful = method.startswith(("Delete", "Clear", "Invalidate", "Rewind", "Undelete", "Fail", "Release"))
        things = self.spare if is_harmful or chance.random() < 0.1 else self.kept
        if field in things:
            return things[field]
        return _word(field, chance)


def random_id(chance: random.Random) -> str:
    """An id that is the same for the same seed."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _word(field: str, chance: random.Random) -> Any:
    if field.endswith("_id") or field == "id":
        return random_id(chance)
    words: dict[str, tuple[Any, ...]] = {
        "name": ("loss", "e", "tree", "new", "optimizer"),
        "names": ("loss", "x"),
        "hash": ("h", "other"),
        "alias": ("best", "latest"),
        "aliases": ("best", "good"),
        "type": ("directory", "dataset"),
        "path": ("a.bin", "b/c.txt", ""),
        "path_prefix": ("b", "", "a.bin"),
        "filter": FILTERS,
        "order_by": ("step desc", "metrics.loss.last, name asc", ""),
        "paths": ("name", "description", "tags", "step", "metadata_json"),
        "phase": ("train", "test"),
        "metadata_json": ("{}", '{"a": [1, 2.5, null]}'),
        "config_json": ("{}", '{"lr": 0.1, "net": {"layers": [1, 2]}}'),
        "attributes_json": ("{}", '{"lr": 1}'),
        "packages_json": ("{}", '{"numpy": "2.0"}'),
        "json_value": ("1", '{"a": 1}', "[]"),
        "tags": ("a", "b", "c"),
        "add": ("a", "x"),
        "remove": ("b", "y"),
        "git_commit": ("a" * 40,),
        "page_size": (0, 1, 5, 1000),
        "timeout_us": (0, 1, 50_000),
        "max_age_us": (0, 10**12),
        "record": (0, 1, 2),
        "record_count": (3, 4),
        "first_record": (0,),
        "first_point": (0,),
        "float_values": (bytes(16),),
        "int_values": (bytes(16),),
        "steps": (b"", bytes(16)),
        "times_us": (b"", bytes(16)),
        "records": (b"", bytes(8)),
        "etag": ("",),
        "codec": (1, 2),
        "step": (0, 3, 10**6),
        "since": (0, 7),
        "buckets": (0, 1, 100),
    }
    return chance.choice(words[field]) if field in words else None
