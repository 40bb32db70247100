"""What is kept of a version that waits, beside its chunks: how it looks, and how it is made on a server."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Self

from xpstore._spool.record import Target
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import project_pb2


@dataclass(slots=True)
class VersionRecord:
    """A version that waits.

    Attributes:
        version: how it looks: a version of number 0.
        commit: the request that makes it, with ids of this client.
        creation: the request that makes its project, if that was made offline.
        targets: the models that its links name, by their ids.
        steps: the steps of the iterations that its links name, by their ids.
        is_forced: whether it replaces an entry of the cache.
    """

    version: pb.ArtifactVersion
    commit: pb.CommitArtifactRequest
    creation: project_pb2.CreateProjectRequest | None = None
    targets: dict[str, Target] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    is_forced: bool = False

    def packed(self) -> bytes:
        """Its bytes."""
        creation = "" if self.creation is None else b64encode(self.creation.SerializeToString()).decode()
        return json.dumps(
            {
                "version": b64encode(self.version.SerializeToString()).decode(),
                "commit": b64encode(self.commit.SerializeToString()).decode(),
                "creation": creation,
                "targets": [target.packed().decode() for target in self.targets.values()],
                "steps": self.steps,
                "is_forced": self.is_forced,
            }
        ).encode()

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """The record in bytes."""
        told = json.loads(data)
        targets = [Target.unpacked(target.encode()) for target in told["targets"]]
        creation = project_pb2.CreateProjectRequest.FromString(b64decode(told["creation"]))
        return cls(
            pb.ArtifactVersion.FromString(b64decode(told["version"])),
            pb.CommitArtifactRequest.FromString(b64decode(told["commit"])),
            creation if told["creation"] else None,
            {target.model_id: target for target in targets},
            told["steps"],
            told["is_forced"],
        )
