"""The Python client as a command of conformance: README.md two folders above says what it is asked."""

import itertools
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from blake3 import blake3

import xpstore
from conformance.content import content as made
from conformance.scenario import PROFILES
from support.fingerprints.notation import build
from xpstore._files.ranges import read_range
from xpstore._identity.values import Part, PartKind, fingerprint_plain, fingerprint_process
from xpstore._service.paging import iterate
from xpstore.artifact import Artifact, CachedArtifact
from xpstore.format.chunker import Chunker
from xpstore.format.tree import TreeHash
from xpstore.model import Model
from xpstore.v1 import artifact_pb2, experiment_pb2, ingest_pb2, limits_pb2, metric_pb2, model_pb2, project_pb2

FOLDER = Path(os.environ.get("CONFORMANCE_DIR", "."))
# Values of the notation that are no plain values: their fingerprints need code, or this client's own objects.
WITH_CODE = {"artifact", "model", "path_text", "idle", "own", "reduced", "object"}
numbers = itertools.count(1)


class Unsupported(Exception):
    """This client does not offer it."""


class Computed(Exception):
    """What a computation raises that shall fail."""


def point(given: dict[str, Any]) -> Iterator[tuple[Any, int | None]]:
    """Value and step of each point that an entry stands for."""
    kind, text = given["kind"], given["value"]
    value: Any = json.loads(text) if kind == "json" else float(text) if kind == "float" else int(text)
    step = int(given["step"]) if "step" in given else None
    for place in range(given.get("count", 1)):
        yield (value + place if place else value), (None if step is None else step + place)


def wire_points(given: list[dict[str, Any]]) -> Iterator[metric_pb2.MetricPoint]:
    for one in given:
        for value, step in point(one):
            time_us = int(one["time_us"]) if "time_us" in one else None
            made = metric_pb2.MetricPoint(name=one["name"], phase=one.get("phase"), step=step, time_us=time_us)
            field = f"{one['kind']}_value"
            setattr(made, field, one["value"] if one["kind"] == "json" else value)
            yield made


class Commands:
    """A method of each command."""

    @cached_property
    def client(self) -> xpstore.Client:
        return xpstore.init()

    def project_of(self, id: str) -> xpstore.Project:
        """The project, which is there."""
        return xpstore.Project.get_by_id(id, client=self.client)

    def hello(self) -> dict[str, Any]:
        about = {"language": "python", "sdk": xpstore.__version__, "contract": "1.0", "profile": "full"}
        return {**about, "commands": PROFILES["full"]}

    def bye(self) -> dict[str, Any]:
        if "client" in self.__dict__:
            self.client.close()
        return {}

    def limits(self) -> dict[str, Any]:
        limits = self.client.call(self.client.stubs.limits.GetLimits, limits_pb2.GetLimitsRequest()).limits
        names = ("contract_version", "server_version", "max_message_bytes", "max_points", "max_page_size")
        return {name: getattr(limits, name) for name in names}

    def project(self, project: str, name: str | None = None) -> dict[str, Any]:
        return {"uid": self.client.project(project, name or project).open().uid}

    def model(
        self, project: str, experiment: str, hash: str, config: str = "{}", tags: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        model = self.project_of(project).experiment(experiment).model(hash, config=json.loads(config), tags=tags)
        return {"model_id": str(model.id)}

    def run(self, model_id: str, status: str, error: str = "") -> dict[str, Any]:
        model = Model.get_by_id(model_id, client=self.client)
        with suppress(Computed), model.run() as run:
            if status == "failed":
                raise Computed(error)
        return {"run_id": str(run.id), "status": run.status}

    def log_metrics(
        self, model_id: str, points: list[dict[str, Any]], writer: str | None = None, first: int = 0
    ) -> dict[str, Any]:
        if writer is not None:
            request = metric_pb2.LogMetricsRequest(
                model_id=model_id, points=wire_points(points), writer_id=writer, first_point=first
            )
            answer = self.client.call(self.client.stubs.metrics.LogMetrics, request)
            return {"stored": answer.stored_count, "next": answer.next_point}
        metrics = Model.get_by_id(model_id, client=self.client).metrics
        before, count = self.client.dropped_count, 0
        for one in points:
            if "time_us" in one:
                raise Unsupported("time_us")
            for value, step in point(one):
                metrics.log(one["name"], value, step, one.get("phase"))
                count += 1
        self.client.flush(50)
        return {"stored": count - (self.client.dropped_count - before)}

    def ingest(self, project: str, writer: str, first: int, models: list[dict[str, Any]]) -> dict[str, Any]:
        uid = self.project_of(project).uid
        request = ingest_pb2.IngestRequest(
            project_uid=uid, writer_id=writer, first_record=first, record_count=len(models)
        )
        by_model: dict[str, Any] = {}  # each is named once in a request
        for place, one in enumerate(models):
            id = one["model_id"]
            records = by_model.get(id) or by_model.setdefault(id, request.models.add(model_id=id))
            for logged in wire_points(one.get("points", [])):
                records.points.add(record=place, point=logged)
            if "step" in one:
                records.events.add(record=place, step=int(one["step"]))
        return {"next": self.client.call(self.client.stubs.ingest.Ingest, request).next_record}

    def series(self, model_id: str, name: str, phase: str | None = None) -> dict[str, Any]:
        found = [one for one in Model.get_by_id(model_id, client=self.client).metrics.list(name) if one.phase == phase]
        kinds = [{float: "float", int: "int"}.get(type(one.value), "json") for one in found]
        return {
            "count": len(found),
            "kinds": kinds,
            "values": [
                json.dumps(one.value) if kind == "json" else repr(one.value)
                for one, kind in zip(found, kinds, strict=True)
            ],
            "steps": [None if one.step is None else str(one.step) for one in found],
        }

    def list_all(self, of: str, page_size: int | None = None, **where: str) -> dict[str, Any]:
        method, request, item = self._list(of, where)
        every = iterate(self.client, method, request, of, page_size=page_size)
        items = [getattr(one, item) if item else "/".join(filter(None, (one.name, one.phase))) for one in every]
        return {"items": items, "count": len(items)}

    def _list(self, of: str, where: dict[str, str]) -> tuple[Any, Any, str]:
        """Method, request, and which field of what is listed is wanted: "" for name and phase."""
        stubs = self.client.stubs
        uid = self.project_of(where["project"]).uid if "project" in where else ""
        match of:
            case "projects":
                return stubs.projects.ListProjects, project_pb2.ListProjectsRequest(), "id"
            case "experiments":
                by_project = experiment_pb2.ListExperimentsRequest(project_uid=uid)
                return stubs.experiments.ListExperiments, by_project, "name"
            case "models":
                found = self._experiment(where["project"], where["experiment"])
                return stubs.models.ListModels, model_pb2.ListModelsRequest(experiment_id=found.id), "hash"
            case "artifacts":
                return stubs.artifacts.ListArtifacts, artifact_pb2.ListArtifactsRequest(project_uid=uid), "name"
            case "versions":
                by_name = artifact_pb2.ListArtifactVersionsRequest(project_uid=uid, name=where["name"])
                return stubs.artifacts.ListArtifactVersions, by_name, "id"
            case "files":
                by_version = artifact_pb2.ListArtifactFilesRequest(version_id=where["version_id"])
                return stubs.artifacts.ListArtifactFiles, by_version, "path"
            case "series":
                return stubs.metrics.ListSeries, metric_pb2.ListSeriesRequest(model_ids=[where["model_id"]]), ""
        raise Unsupported(f"of {of!r}")

    def _experiment(self, project: str, name: str) -> Any:
        key = experiment_pb2.ExperimentName(project_uid=self.project_of(project).uid, name=name)
        request = experiment_pb2.GetExperimentRequest(experiment_name=key)
        return self.client.call(self.client.stubs.experiments.GetExperiment, request).experiment

    def upload_file(self, path: str, content: list[Any], **rest: Any) -> dict[str, Any]:
        for name in ("upload_id", "blake3", "pause_after_bytes", "pause_seconds"):
            if name in rest:  # this client uploads by chunks
                raise Unsupported(name)
        return self._upload({path: content}, **rest)

    def upload_tree(self, files: dict[str, Any], **rest: Any) -> dict[str, Any]:
        if "version_id" in rest:
            raise Unsupported("version_id")
        return self._upload(files, **rest)

    def _upload(
        self,
        files: dict[str, Any],
        project: str,
        name: str,
        type: str = "directory",
        empty_directories: tuple[str, ...] = (),
        executables: tuple[str, ...] = (),
        metadata: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        folder = FOLDER / f"source {next(numbers)}"
        folder.mkdir()
        for path, parts in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(made(parts))
        for path in empty_directories:
            (folder / path).mkdir(parents=True)
        for path in executables:
            (folder / path).chmod(0o755)
        kind = Artifact._classes.get(type)
        if kind is None:
            raise Unsupported(f"type {type!r}")
        if metadata is not None:
            options["metadata"] = json.loads(metadata)
        where = self.project_of(project)
        began = time.monotonic()
        saved = kind.save(folder, name, project=where, **options)
        seconds = time.monotonic() - began
        shutil.rmtree(folder)
        return {"version_id": saved.id, "version": saved.version, "digest": saved.digest, "seconds": seconds}

    def _version(
        self,
        version_id: str = "",
        project: str = "",
        name: str = "",
        version: int | None = None,
        alias: str | None = None,
    ) -> Artifact:
        if version_id:
            return Artifact.get_by_id(version_id)
        return Artifact.get_by_name(name, version=version, alias=alias, project=self.project_of(project))

    def download(self, **which: Any) -> dict[str, Any]:
        version, folder = self._version(**which), FOLDER / f"download {next(numbers)}"
        began = time.monotonic()
        version.download(folder)
        return {"version_id": version.id, "folder": str(folder), "seconds": time.monotonic() - began}

    def read_range(self, version_id: str, path: str, offset: int, length: int | None = None) -> dict[str, Any]:
        version = Artifact.get_by_id(version_id)
        file = next((one for one in version.files() if one.path == path), None)
        data = b"".join(read_range(self.client, version_id, path, offset, length))
        digest = blake3(data).hexdigest()
        return {"size_bytes": len(data), "blake3": digest, "file_size_bytes": file.size_bytes if file else 0}

    def get(self, of: str, **which: Any) -> dict[str, Any]:
        if of == "project":
            project = self.project_of(which["project"])
            return {"uid": project.uid, "name": project.name}
        if of == "version":
            version = self._version(**which)
            fields = ("version", "name", "digest", "size_bytes", "aliases")
            more: dict[str, Any] = {
                "version_id": version.id,
                "type": version.type_,
                "metadata": json.dumps(version.metadata),
            }
            more["file_count"] = len(version.files())
            return {**more, **{name: getattr(version, name) for name in fields}}
        found = self._experiment(which["project"], which["experiment"])
        key = model_pb2.ModelHash(experiment_id=found.id, hash=which["hash"])
        wire = self.client.call(self.client.stubs.models.GetModel, model_pb2.GetModelRequest(model_hash=key)).model
        model = Model.get_by_id(wire.id, client=self.client)
        text = {"step": str(model.step), "config": json.dumps(model.config), "status": model.status or ""}
        return {"model_id": str(model.id), "tags": model.tags.list(), **text}

    def alias(self, version_id: str, alias: str) -> dict[str, Any]:
        version = Artifact.get_by_id(version_id)
        version.alias(alias)
        return {"aliases": version.aliases}

    def cut(self, content: list[Any]) -> dict[str, Any]:
        data = memoryview(made(content))
        chunks = list(Chunker(self.client.limits.chunking).cut(data, is_end=True))
        digest = blake3(b"".join(blake3(chunk).digest() for chunk in chunks)).hexdigest()
        return {"chunk_sizes": [len(chunk) for chunk in chunks], "chunk_digests_blake3": digest}

    def tree_digest(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        tree = TreeHash()
        for entry in sorted(entries, key=lambda entry: entry["path"].encode()):
            tree.add(
                entry["path"],
                is_directory=entry["type"] == "directory",
                executable=entry["executable"],
                size_bytes=entry["size_bytes"],
                digest=bytes.fromhex(entry["blake3"]),
            )
        return {"digest": tree.digest().hex()}

    def fingerprint(self, value: Any = None, process: str = "", parts: list[Any] | None = None) -> dict[str, Any]:
        if parts is None:
            return {"fingerprint": self._fingerprint(value)}
        given = [Part(PartKind(one["kind"]), one["name"], one["fingerprint"], "") for one in parts]
        return {"fingerprint": fingerprint_process(process, given)}

    def _fingerprint(self, notation: Any) -> str:
        if notation["type"] in WITH_CODE:  # they need more than the value alone
            raise Unsupported(f"type {notation['type']!r}")
        try:
            value = build(notation, FOLDER)
        except ImportError as error:
            raise Unsupported(str(error)) from None
        return fingerprint_plain(value)

    def get_or_compute(
        self,
        project: str,
        process: str,
        version: str,
        parameters: dict[str, Any],
        value: str,
        compute_seconds: float = 0,
        raises: str | None = None,
    ) -> dict[str, Any]:
        computed = []

        def compute() -> Any:
            computed.append(True)
            time.sleep(compute_seconds)
            if raises is not None:
                raise Computed(raises)
            return decoded(value)

        # Its parameters are those of a function: one of these names is made.
        names = ", ".join(parameters)
        space = {"compute": compute}
        exec(f"def computation({names}): return compute()", space)
        options: Any = {"name": process, "version": version, "project": self.project_of(project), "strict": True}
        cached = xpstore.cached(**options)(space["computation"])
        artifact = cached.artifact(**{name: build(one, FOLDER) for name, one in parameters.items()})
        assert isinstance(artifact, CachedArtifact)
        with artifact.open("value.json") as file:
            node = json.load(file)["value"]
        fields = {"version_id": artifact.id, "fingerprint": artifact.hash_}
        return {"hit": not computed, "value": json.dumps(node), **fields}


def decoded(text: str) -> Any:
    """The value that a NODE says, where it is plain JSON."""
    return json.loads(text)


REASONS = {
    "InvalidArgument": "INVALID_ARGUMENT",
    "DataLoss": "DATA_LOSS",
    "Unavailable": "UNAVAILABLE",
    "NotFound": "NOT_FOUND",
    "DeadlineExceeded": "DEADLINE_EXCEEDED",
    "Unimplemented": "CONTRACT",
    "ComputationFailed": "COMPUTATION",
}


def answer(commands: Commands, request: dict[str, Any]) -> dict[str, Any]:
    """What is answered to one request."""
    method: Callable[..., dict[str, Any]] | None = getattr(commands, request["do"], None)
    try:
        if method is None or request["do"] not in PROFILES["full"]:
            raise Unsupported(request["do"])
        if request["do"] not in ("hello", "bye"):
            _ = commands.client  # the session: versions are fetched by its client
        return {"ok": method(**request["with"])}
    except xpstore.Error as error:
        reason = error.reason or REASONS[type(error).__name__]
        return {"error": {"reason": reason, "metadata": error.metadata, "message": str(error)}}
    except Unsupported as error:
        return {"error": {"reason": "UNSUPPORTED", "message": str(error)}}
    except Computed as error:
        return {"error": {"reason": "COMPUTATION", "message": str(error)}}


def main(commands: Commands) -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing but answers goes there
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"id": request["id"], **answer(commands, request)}), file=out, flush=True)
        if request["do"] == "bye":
            return


if __name__ == "__main__":
    main(Commands())
