"""A real gRPC server that answers downloads as it likes: sound by default, and spoiled as a test says."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc

import xpstore
from support.raw import DIRECTORY, chunk_of, cut, digest_of, entry_of, tree_digest
from xpstore.artifact import DirectoryArtifact
from xpstore.format.messages import encode_chunks
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import limits_pb2, project_pb2

Answer = Iterable[Any]
KEY = "any key will do"


class HostileServer:
    """Has one version. A test changes `version`, `entries`, `chunks` or how they are answered.

    Attributes:
        version: what it says of the version.
        entries: its manifest.
        manifest: makes the answers of ReadManifest; messages, or bytes.
        read_chunks: makes those of ReadChunks of what is asked for.
        read_file: makes those of ReadFile.
        list_files: makes that of ListArtifactFiles.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes | None] = {}
        self.entries: list[pb.ManifestEntry] = []
        self.version = pb.ArtifactVersion()
        self.pieces: dict[bytes, bytes] = {}
        self.manifest: Callable[[pb.ReadManifestRequest], Answer] = self._manifest
        self.read_chunks: Callable[[pb.ReadChunksRequest], Answer] = self._chunks
        self.read_file: Callable[[pb.ReadFileRequest], Answer] = self._file
        self.list_files: Callable[[pb.ListArtifactFilesRequest], Any] = self._list
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((self._artifacts(), self._projects(), self._limits()))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"

    def hold(self, files: dict[str, bytes | None], size: int = 1 << 20) -> Self:
        """Has these files, None for an empty directory, cut into pieces of a size."""
        self.files = dict(files)
        paths = sorted(files, key=str.encode)
        self.entries = [entry_of(path, files[path], size) for path in paths]
        self.pieces = {digest_of(piece): piece for data in files.values() for piece in cut(data or b"", size)}
        self.version = pb.ArtifactVersion(
            id="0" * 32,
            name="hostile",
            type="directory",
            version=1,
            digest=tree_digest(files),
            size_bytes=sum(len(data or b"") for data in files.values()),
            file_count=len(files),
        )
        return self

    def agree(self) -> Self:
        """Has the version say of itself what its entries say: only what is wrong in them is left."""
        heads = [entry for entry in self.entries if not entry.offset]
        self.version.size_bytes = sum(entry.size_bytes for entry in heads)
        self.version.file_count = len(heads)
        return self

    def artifact(self) -> DirectoryArtifact:
        """The version, as a client of this server has it."""
        return DirectoryArtifact._from_wire(self.version, xpstore.Client(KEY, self.address, timeout_seconds=5))

    def _manifest(self, request: pb.ReadManifestRequest) -> Answer:
        prefix = request.path_prefix
        asked = [one for one in self.entries if not prefix or f"{one.path}/".startswith(f"{prefix}/")]
        yield pb.ReadManifestResponse(entries=asked)

    def _chunks(self, request: pb.ReadChunksRequest) -> Answer:
        for digest in request.digests:
            yield pb.ReadChunksResponse(chunks=[chunk_of(self.pieces[digest], digest=digest)])

    def _file(self, request: pb.ReadFileRequest) -> Answer:
        data = self.files[request.path] or b""
        end = request.offset + request.length if request.HasField("length") else len(data)
        part = data[request.offset : end]
        yield self.header(request, length=len(part))
        yield pb.ReadFileResponse(data=part)

    def header(self, request: pb.ReadFileRequest, **changes: int) -> pb.ReadFileResponse:
        """The sound header of an answer of ReadFile, with `changes` that spoil it."""
        data = self.files[request.path] or b""
        header = pb.ReadFileHeader(path=request.path, size_bytes=len(data), digest=digest_of(data))
        header.offset, header.length = request.offset, len(data) - request.offset
        for field, value in changes.items():
            setattr(header, field, value)
        return pb.ReadFileResponse(header=header)

    def _list(self, request: pb.ListArtifactFilesRequest) -> Any:
        prefix = request.path_prefix
        asked = [one for one in self.entries if not prefix or f"{one.path}/".startswith(f"{prefix}/")]
        return pb.ListArtifactFilesResponse(files=[self.file_of(entry) for entry in asked if not entry.offset])

    @staticmethod
    def file_of(entry: pb.ManifestEntry) -> pb.ArtifactFile:
        """An entry as a line of a list."""
        return pb.ArtifactFile(
            path=entry.path,
            type=entry.type,
            executable=entry.executable,
            size_bytes=entry.size_bytes,
            digest=entry.digest,
        )

    def _artifacts(self) -> grpc.GenericRpcHandler:
        streams: dict[str, tuple[Any, Callable[[Any], Answer]]] = {
            "ReadManifest": (pb.ReadManifestRequest, lambda request: self.manifest(request)),
            "ReadChunks": (pb.ReadChunksRequest, lambda request: self.read_chunks(request)),
            "ReadFile": (pb.ReadFileRequest, lambda request: self.read_file(request)),
        }
        handlers = {name: _stream(kind, answer) for name, (kind, answer) in streams.items()}
        versions = pb.GetArtifactVersionResponse
        handlers["GetArtifactVersion"] = _single(
            pb.GetArtifactVersionRequest, lambda request: versions(version=self.version)
        )
        handlers["ListArtifactFiles"] = _single(pb.ListArtifactFilesRequest, lambda request: self.list_files(request))
        return grpc.method_handlers_generic_handler("xpstore.v1.ArtifactService", handlers)

    @staticmethod
    def _projects() -> grpc.GenericRpcHandler:
        project = project_pb2.CreateProjectResponse(project=project_pb2.Project(id="p", uid="0" * 32))
        handlers = {"CreateProject": _single(project_pb2.CreateProjectRequest, lambda request: project)}
        return grpc.method_handlers_generic_handler("xpstore.v1.ProjectService", handlers)

    @staticmethod
    def _limits() -> grpc.GenericRpcHandler:
        limits = limits_pb2.Limits(server_version="0", max_chunk_bytes=1 << 40, max_page_size=1_000)
        answer = limits_pb2.GetLimitsResponse(limits=limits)
        handlers = {"GetLimits": _single(limits_pb2.GetLimitsRequest, lambda request: answer)}
        return grpc.method_handlers_generic_handler("xpstore.v1.LimitsService", handlers)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None)


def _written(message: Any) -> bytes:
    written: bytes = message if isinstance(message, bytes) else message.SerializeToString()
    return written


def count_asked(server: HostileServer) -> list[bytes]:
    """The digests that the server is asked for from now on."""
    asked, sound = list[bytes](), server.read_chunks

    def counted(request: pb.ReadChunksRequest) -> Answer:
        asked.extend(request.digests)
        return sound(request)

    server.read_chunks = counted
    return asked


def _stream(kind: Any, answer: Callable[[Any], Answer]) -> "grpc.RpcMethodHandler[Any, Any]":
    def answers(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        # An endless one ends with the call.
        yield from itertools.takewhile(lambda _: context.is_active(), answer(request))

    return grpc.unary_stream_rpc_method_handler(answers, kind.FromString, _written)


def _single(kind: Any, answer: Callable[[Any], Any]) -> "grpc.RpcMethodHandler[Any, Any]":
    return grpc.unary_unary_rpc_method_handler(lambda request, _: answer(request), kind.FromString, _written)


def chunk_message(digest: bytes, codec: int, raw_size_bytes: int, data: bytes) -> bytes:
    """A message of ReadChunks with one chunk, whatever it says."""
    return encode_chunks(1, [(digest, codec, raw_size_bytes, data)])


def directory(path: str, **changes: Any) -> pb.ManifestEntry:
    """The entry of an empty directory, with `changes` that spoil it."""
    return pb.ManifestEntry(**{"path": path, "type": DIRECTORY, **changes})
