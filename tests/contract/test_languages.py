"""The contract in other languages: every file says its package there, no name clashes, what is generated compiles."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from support.contract.java_names import JAVA_LANG
from support.contract.methods import ROOT, buf
from support.needs import needs

FILES = sorted((ROOT / "proto").rglob("*.proto"))
HEAD = "// SPDX-FileCopyrightText: the xpstore authors\n// SPDX-License-Identifier: Apache-2.0\n\n// "
every = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


@pytest.fixture(scope="module")
def image() -> dict[str, FileDescriptorProto]:
    built = FileDescriptorSet.FromString(buf("build", "proto", "--exclude-source-info", "--output", "-"))
    return {Path(file.name).stem: file for file in built.file if file.package == "xpstore.v1"}


@every
def test_file_has_its_licence(path: Path) -> None:
    assert path.read_text().startswith(HEAD)


@every
def test_file_says_its_packages(path: Path, image: dict[str, FileDescriptorProto]) -> None:
    options = image[path.stem].options
    assert (options.go_package, options.csharp_namespace, options.ruby_package) == (
        "github.com/xpstore/xpstore/client/go/xpstorev1;xpstorev1",
        "Xpstore.V1",
        "Xpstore::V1",
    )
    assert (options.java_package, options.java_multiple_files) == ("io.github.xpstore.v1", True)
    assert options.java_outer_classname == f"{path.stem.capitalize()}Proto"
    # PHP and Swift make a good name of the package themselves.
    assert not options.php_class_prefix and not options.objc_class_prefix


def test_names_clash_with_nothing(image: dict[str, FileDescriptorProto]) -> None:
    """Java has the names of java.lang in every file, and one package for all of ours."""
    outer = [file.options.java_outer_classname for file in image.values()]
    own = [one.name for file in image.values() for one in file.message_type]
    own += [one.name for file in image.values() for one in file.enum_type]
    services = [f"{one.name}{end}" for file in image.values() for one in file.service for end in ("", "Grpc")]
    names = [*outer, *own, *services]
    assert JAVA_LANG & {*names} == set() and len({*names}) == len(names)
    assert len({name.lower() for name in names}) == len(names), "files of these names are one on some disks"
    assert {"Error", "Module", "Object", "Process", "Record"} <= JAVA_LANG


def test_names_of_fields_are_words_of_no_language(image: dict[str, FileDescriptorProto]) -> None:
    """Names that languages have for themselves are renamed by their generators, each in its own way."""
    python = "class def del from global import is lambda nonlocal pass raise return try with yield"
    others = "func go chan defer select package interface struct switch fn impl mut pub self super"
    fields = {field.name for file in image.values() for message in file.message_type for field in message.field}
    assert fields & {*python.split(), *others.split()} == set()


def test_generated_java(image: dict[str, FileDescriptorProto], tmp_path: Path) -> None:
    """A file for each message, none of which hides another. With XPSTORE_TEST_JAVAC=1 they are compiled, for 30 s."""
    protoc, files = needs("protoc"), [str(path.relative_to(ROOT / "proto")) for path in FILES]
    whole = tmp_path / "contract.binpb"  # Debian's protoc comes without Google's own files
    buf("build", "proto", "--output", str(whole))
    command = [protoc, f"--descriptor_set_in={whole}", f"--java_out={tmp_path}", *files]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    made = {path.stem for path in (tmp_path / "io" / "github" / "xpstore" / "v1").glob("*.java")}
    messages = {message.name for file in image.values() for message in file.message_type}
    assert messages | {file.options.java_outer_classname for file in image.values()} <= made
    if not os.environ.get("XPSTORE_TEST_JAVAC"):
        return
    jar = Path("/usr/share/java/protobuf.jar")  # Debian's libprotobuf-java, of the same version as its protoc
    sources = [str(path) for path in tmp_path.rglob("*.java")]
    wildcard = tmp_path / "Imports.java"
    fields = "Module a; ModelModule b; Process c; Error d; Role e;"
    wildcard.write_text(f"import io.github.xpstore.v1.*;\nclass Imports {{ {fields} }}\n")
    (tmp_path / "out").mkdir()
    words = ["javac", "-nowarn", "-cp", str(jar), "-d", str(tmp_path / "out"), *sources, str(wildcard)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr[-2000:]


def test_generated_typescript(tmp_path: Path) -> None:
    """By the generator of the client, where npm has put it; the client's own build compiles it."""
    plugin = ROOT / "client" / "typescript" / "node_modules" / ".bin" / "protoc-gen-es"
    if not plugin.exists():
        pytest.skip("protoc-gen-es is not installed in client/typescript (its build installs it)")
    options = [{"local": str(plugin), "out": str(tmp_path), "opt": "target=ts"}]
    buf("generate", "proto", "--template", json.dumps({"version": "v2", "plugins": options}))
    made = {path.stem: path.read_text() for path in (tmp_path / "xpstore" / "v1").glob("*.ts")}
    assert {f"{path.stem}_pb" for path in FILES} <= made.keys()
    assert "finish: boolean" in made["artifact_pb"] and "export type ModelModule = " in made["model_pb"]
