"""A client that knows nothing but an image of the contract: its messages are made from descriptors at run time."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import grpc
from blake3 import blake3
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

DEADLINE_SECONDS = 60


class PlainError(Exception):
    """What the server answered instead: the status, its text, and our ErrorInfo."""

    def __init__(self, error: grpc.RpcError) -> None:
        call: Any = error
        super().__init__(f"{call.code().name}: {call.details()}")
        self.status = str(call.code().name)
        self.reason = ""
        self.metadata: dict[str, str] = {}
        for key, value in call.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                for detail in status_pb2.Status.FromString(value).details:
                    info = error_details_pb2.ErrorInfo()
                    if detail.Unpack(info):
                        self.reason, self.metadata = info.reason, dict(info.metadata)


class PlainClient:
    """Calls methods by name with dictionaries: `client("GetProject", project_uid=uid).project.id`.

    Args:
        image: a serialized FileDescriptorSet, as `buf build` writes it.
        address: of the server.
        key: its API key.
    """

    def __init__(self, image: bytes, address: str, key: str) -> None:
        self._pool = DescriptorPool()  # of its own: other messages of these names are in this process
        self._methods: dict[str, Any] = {}
        for file in FileDescriptorSet.FromString(image).file:
            self._pool.Add(file)
            for service in file.service:
                for method in service.method:
                    self._methods[method.name] = method, f"/{file.package}.{service.name}/{method.name}"
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self._metadata = [("authorization", f"Bearer {key}")]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    @property
    def methods(self) -> list[str]:
        return list(self._methods)

    def message(self, name: str, /, **fields: Any) -> Any:
        """A message by its name in the contract."""
        return GetMessageClass(self._pool.FindMessageTypeByName(f"xpstore.v1.{name}"))(**fields)

    def __call__(self, method: str, messages: "Iterable[Any] | None" = None, /, **fields: Any) -> Any:
        """Makes a call, with the fields of its request or the messages of its stream.

        Returns:
            The response or, of a stream of responses, all of them.

        Raises:
            PlainError: the server answered an error.
        """
        one, path = self._methods[method]
        request: Any = GetMessageClass(self._pool.FindMessageTypeByName(one.input_type.lstrip(".")))
        response: Any = GetMessageClass(self._pool.FindMessageTypeByName(one.output_type.lstrip(".")))
        how: Any = {"request_serializer": request.SerializeToString, "response_deserializer": response.FromString}
        options: Any = {"metadata": self._metadata, "timeout": DEADLINE_SECONDS}
        try:
            if one.client_streaming:
                return self._channel.stream_unary(path, **how)(iter(messages or ()), **options)
            if one.server_streaming:
                return list(self._channel.unary_stream(path, **how)(request(**fields), **options))
            return self._channel.unary_unary(path, **how)(request(**fields), **options)
        except grpc.RpcError as error:
            raise PlainError(error) from None

    def publish(self, project_uid: str, name: str, files: Mapping[str, bytes], **draft: Any) -> Any:
        """Uploads files by chunks and commits them; returns the version."""
        entries: list[Any] = []
        chunks: dict[bytes, bytes] = {}
        for path in sorted(files, key=str.encode):
            pieces = [files[path][start : start + (1 << 20)] for start in range(0, len(files[path]), 1 << 20)]
            chunks |= {digest(piece): piece for piece in pieces}
            entries.append(
                self.message(
                    "ManifestEntry",
                    path=path,
                    type=1,
                    size_bytes=len(files[path]),
                    digest=digest(files[path]),
                    chunk_digests=b"".join(map(digest, pieces)),
                    chunk_sizes=map(len, pieces),
                )
            )
        page = self.message("ManifestPage", entries=entries).SerializeToString()
        chunks[digest(page)] = page
        digests = list(chunks)
        missing = self("FindMissingChunks", project_uid=project_uid, digests=digests).missing_positions
        wanted = [self._chunk(digests[place], chunks[digests[place]]) for place in missing]
        parts = [self.message("UploadChunksRequest", chunks=[chunk]) for chunk in wanted]
        self("UploadChunks", [self.message("UploadChunksRequest", project_uid=project_uid), *parts])
        return self(
            "CommitArtifact",
            project_uid=project_uid,
            version_id=new_id(),
            draft={"name": name, "type": "directory", **draft},
            manifest={"pages": [{"digest": digest(page), "size_bytes": len(page), "first_path": entries[0].path}]},
        ).version

    def _chunk(self, key: bytes, data: bytes) -> Any:
        return self.message("Chunk", digest=key, codec=1, raw_size_bytes=len(data), data=data)

    def upload(self, project_uid: str, name: str, path: str, data: bytes, *, finish: bool, **header: Any) -> Any:
        """Sends one file by UploadFile; returns the response."""
        return self("UploadFile", self.file_messages(project_uid, name, path, data, finish=finish, **header))

    def file_messages(
        self, project_uid: str, name: str, path: str, data: bytes, *, finish: bool, **header: Any
    ) -> Iterator[Any]:
        draft = {"name": name, "type": "dataset", **header.pop("draft", {})}
        fields = {"upload_id": new_id(), "project_uid": project_uid, "draft": draft, "path": path, **header}
        yield self.message("UploadFileRequest", header=fields)
        for start in range(0, len(data), 1 << 20):
            yield self.message("UploadFileRequest", data=data[start : start + (1 << 20)])
        if finish:
            yield self.message("UploadFileRequest", finish=True)

    def read(self, version_id: str, path: str = "") -> bytes:
        """The bytes of a file."""
        return b"".join(one.data for one in self("ReadFile", version_id=version_id, path=path))


def new_id() -> str:
    return str(uuid.uuid4())


def digest(data: bytes) -> bytes:
    return blake3(data).digest()


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
