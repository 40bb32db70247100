"""The client in Go beside this file, built from an image of the contract in a cache outside of the project."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest

from support.contract.methods import buf

MODULE = "github.com/xpstore/xpstore/client/go"
GENERATORS = {
    "protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11",
    "protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.1",
}
LIBRARIES = ("google.golang.org/grpc@v1.81.1", "google.golang.org/protobuf@v1.36.11", "github.com/zeebo/blake3@v0.2.4")
# The contract of 0.1 says no package of Go.
TEMPLATE: dict[str, Any] = {
    "version": "v2",
    "managed": {"enabled": True, "override": [{"file_option": "go_package", "value": f"{MODULE}/xpstorev1;xpstorev1"}]},
    "plugins": [
        {"local": "protoc-gen-go", "out": ".", "opt": f"module={MODULE}"},
        {"local": "protoc-gen-go-grpc", "out": ".", "opt": f"module={MODULE}"},
    ],
}


def go_client(image: Path) -> Path:
    """The program, built from an image of the contract if it is not there.

    Where Go or what it needs is missing, the test is skipped by name.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xpstore"
    go = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    if go is None:
        pytest.skip("go is not installed (a client in Go)")
    source = Path(__file__).parent / "go" / "main.go"
    inputs = [source.read_bytes(), image.read_bytes(), repr((GENERATORS, LIBRARIES, TEMPLATE)).encode()]
    name = hashlib.sha256(b"\0".join(inputs)).hexdigest()[:20]
    folder = cache / "go-clients" / name
    with _locked(cache / "go-clients.lock"):
        if not (folder / "client").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(go, cache / "bin", folder, source, image)
    return folder / "client"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One builds, others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        flock(file, LOCK_EX)
        yield


def _build(go: str, bin_: Path, folder: Path, source: Path, image: Path) -> None:
    environment = {**os.environ, "GOBIN": str(bin_), "GOFLAGS": "-mod=mod", "PATH": f"{bin_}:{os.environ['PATH']}"}

    def run(*words: str) -> None:
        result = subprocess.run([go, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
        if result.returncode:
            pytest.skip(f"the client in Go cannot be made: go {' '.join(words)}: {result.stderr[-300:]}")

    folder.mkdir(parents=True)
    for name, module in GENERATORS.items():
        if not (bin_ / name).exists():
            run("install", module)
    run("mod", "init", MODULE)
    for library in LIBRARIES:
        run("get", library)
    shutil.copy(source, folder / "main.go")
    shutil.copy(image, folder / "image.binpb")
    plugins = [{**plugin, "local": str(bin_ / plugin["local"])} for plugin in TEMPLATE["plugins"]]
    buf("generate", "image.binpb", "--template", json.dumps({**TEMPLATE, "plugins": plugins}), folder=folder)
    run("get", ".")
    # What was generated compiles, or it is the contract's fault.
    built = subprocess.run(
        [go, "build", "-o", "client", "."], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
