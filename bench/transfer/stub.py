"""The S3 server that costs nothing, built from s3_stub/main.go on first use."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from s3_server import S3Server

SOURCE = Path(__file__).parents[1] / "s3_stub" / "main.go"


class S3Stub(S3Server):
    """Keeps objects in memory, or discards the large ones."""

    def __init__(self, *, discards: bool) -> None:
        super().__init__()
        self._discards = discards
        self.name = "stub that discards" if discards else "stub that keeps"

    @staticmethod
    def build() -> str | None:
        """Builds it into the user's cache, if Go is there. Returns why it is not there, else None."""
        if _program().exists():
            return None
        go = shutil.which("go")
        if go is None:
            return "Go is not installed"
        _program().parent.mkdir(parents=True, exist_ok=True)
        draft = _program().with_suffix(f".{os.getpid()}")
        built = subprocess.run([go, "build", "-o", str(draft), str(SOURCE)], capture_output=True, text=True)
        if built.returncode != 0:
            return f"Go cannot build it: {built.stderr.strip()[-200:]}"
        draft.replace(_program())
        return None

    def command(self) -> list[str]:
        options = ["-discard"] if self._discards else []
        return [str(_program()), f"-listen=127.0.0.1:{self.port}", *options]


def _program() -> Path:
    """Named after its source, so that a changed source is built anew."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.blake2b(SOURCE.read_bytes(), digest_size=6).hexdigest()
    return cache / "xpstore" / "bin" / f"s3-stub-{digest}"
