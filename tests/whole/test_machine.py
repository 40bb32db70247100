"""What a machine may lack or refuse: a home, room, rights, a temporary folder. Programs log on, and say so once."""

import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import xpstore
from support.homes import without_settings
from support.services import Server
from xpstore.artifact import DirectoryArtifact

pytestmark = pytest.mark.client

# A user id that no machine has an entry for. The Python that runs this may lie in a folder that only root can enter.
AS_NAMELESS = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
AS_NAMELESS += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
LIMITED = """
import os, resource, sys
size = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
os.execv(sys.argv[2], sys.argv[2:])
"""
PROGRAM = r"""
import sys
import xpstore
from xpstore.artifact import DirectoryArtifact

@xpstore.cached(name="twice", version=1)
def twice(number):
    return [number, number]

client = xpstore.init()
with xpstore.Project(sys.argv[1] + " \u00e4") as project:
    model = project.experiment("e").model("m")
    with model.run():
        for step in range(10):
            model.metrics.log("loss", step / 8, step=step)
    client.flush()
    assert twice(4) == twice(4) == [4, 4]
    saved = DirectoryArtifact.save(b"bytes", "saved")
    assert saved.open("data").read() == b"bytes"
    print(client.dropped_count)
"""


@dataclass(kw_only=True)
class Machine:
    """How a program is started."""

    environment: dict[str, str] = field(default_factory=dict)
    before: str = ""  # shell commands in a mount namespace of its own
    is_nameless: bool = False
    file_bytes: int | None = None
    takes_logs: bool = True
    warns: bool = True

    def run(self, folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        kept = {
            name: value
            for name, value in without_settings().items()
            if not name.startswith(("HOME", "XDG_", "XPSTORE_", "TMP", "LC_", "LANG"))
        }
        command = [sys.executable, *words]
        if self.file_bytes is not None:  # not by preexec_fn: gRPC's handlers would run in that child, and may end it
            command = [sys.executable, "-c", LIMITED, str(self.file_bytes), *command]
        if self.is_nameless:
            command = [*AS_NAMELESS, *command]
        if self.before:
            command = ["unshare", "--mount", "sh", "-ec", f"{self.before}\nexec {shlex.join(command)}"]
        return subprocess.run(
            command,
            cwd=folder,
            env={**kept, **self.environment, **settings},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )


def without_home(_: Path) -> Machine:
    return Machine(is_nameless=True)


def without_home_but_with_folders(folder: Path) -> Machine:
    """What is named needs no default, and so no home."""
    names = ("XPSTORE_SPOOL", "XPSTORE_CACHE", "XPSTORE_HOME")
    named = {name: str(made(folder / name, 0o777)) for name in names}
    for path in named.values():
        Path(path).chmod(0o777)
    return Machine(is_nameless=True, environment=named, warns=False)


def with_the_root_as_home(_: Path) -> Machine:
    return Machine(is_nameless=True, environment={"HOME": "/"})


def with_a_home_it_may_not_write_to(folder: Path) -> Machine:
    return Machine(is_nameless=True, environment={"HOME": str(made(folder / "home", 0o555))})


def without_home_and_temporary_folder(folder: Path) -> Machine:
    return Machine(is_nameless=True, environment={"TMPDIR": str(made(folder / "temporary", 0o555))})


def with_a_temporary_folder_that_is_missing(folder: Path) -> Machine:
    return Machine(environment={"HOME": str(folder / "home"), "TMPDIR": str(folder / "none")}, warns=False)


def with_files_where_folders_should_be(folder: Path) -> Machine:
    file = folder / "file"
    file.touch()
    names = ("XPSTORE_SPOOL", "XPSTORE_CACHE", "XPSTORE_HOME", "TMPDIR", "HOME")
    return Machine(environment=dict.fromkeys(names, str(file)))


def with_files_above_its_folders(folder: Path) -> Machine:
    (folder / "file").touch()
    names = ("XPSTORE_SPOOL", "XPSTORE_CACHE", "XPSTORE_HOME")
    return Machine(environment={name: str(folder / "file" / name) for name in names})


def with_names_that_are_too_long(folder: Path) -> Machine:
    names = ("XPSTORE_SPOOL", "XPSTORE_CACHE", "XPSTORE_HOME")
    return Machine(environment={name: str(folder / ("x" * 300)) for name in names})


def with_homes_of_nobody(_: Path) -> Machine:
    return Machine(environment=dict.fromkeys(("XPSTORE_SPOOL", "XPSTORE_CACHE", "XPSTORE_HOME"), "~no-such-user/x"))


def with_a_disk_that_takes_no_byte(folder: Path) -> Machine:
    return Machine(environment={"HOME": str(folder)}, file_bytes=0, takes_logs=False)


def with_a_disk_that_takes_few_bytes(folder: Path) -> Machine:
    return Machine(environment={"HOME": str(folder)}, file_bytes=100_000, takes_logs=False)


def with_a_full_disk(folder: Path) -> Machine:
    home = made(folder / "home")
    before = f"mount -t tmpfs -o size=64k none {home}; head -c 1000000 /dev/zero > {home}/full 2> /dev/null || true"
    return Machine(environment={"HOME": str(home)}, before=before)


def that_may_only_be_read(folder: Path) -> Machine:
    places = ["/", "/tmp", "/var/tmp", "/dev/shm", str(folder), os.getcwd()]
    before = "\n".join(f"mount --bind {place} {place}; mount -o remount,bind,ro {place}" for place in places)
    return Machine(environment={"HOME": str(folder)}, before=before, takes_logs=False)


def that_may_only_be_read_but_for_memory(folder: Path) -> Machine:
    machine = that_may_only_be_read(folder)
    machine.before += "\nmount -o remount,bind,rw /dev/shm"
    return Machine(environment=machine.environment, before=machine.before)


ODD = "sp ace #1 %41 ?x ä"


def with_odd_names(folder: Path) -> Machine:
    names = ("HOME", "TMPDIR", "XPSTORE_SPOOL", "XPSTORE_CACHE", "XPSTORE_HOME")
    return Machine(environment={name: str(made(folder / ODD / name)) for name in names}, warns=False)


def with_an_old_locale(folder: Path) -> Machine:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    return Machine(environment={"HOME": str(folder), **plain}, warns=False)


MACHINES = [
    without_home,
    without_home_but_with_folders,
    with_the_root_as_home,
    with_a_home_it_may_not_write_to,
    without_home_and_temporary_folder,
    with_a_temporary_folder_that_is_missing,
    with_files_where_folders_should_be,
    with_files_above_its_folders,
    with_names_that_are_too_long,
    with_homes_of_nobody,
    with_a_disk_that_takes_no_byte,
    with_a_disk_that_takes_few_bytes,
    with_a_full_disk,
    that_may_only_be_read,
    that_may_only_be_read_but_for_memory,
    with_odd_names,
    with_an_old_locale,
]


def told(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """What a program said, but for what gRPC may say of its own poller when one ends: that its descriptor is closed."""
    return [line for line in done.stderr.splitlines() if "epoll_wait error: Bad file descriptor" not in line]


def made(folder: Path, mode: int = 0o755) -> Path:
    folder.mkdir(parents=True)
    folder.chmod(mode)
    return folder


@pytest.fixture(params=MACHINES, ids=lambda make: make.__name__)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    make: Callable[[Path], Machine] = request.param
    machine = make(tmp_path)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)  # another user may come in; nothing is taken away
    if machine.is_nameless or machine.before:
        if os.geteuid() != 0:
            pytest.skip("needs root: to become another user, or to mount")
        if machine.run(tmp_path, "-c", "import xpstore, grpc").returncode != 0:
            pytest.skip("another user may not run this Python, or nothing can be mounted here")
    return machine


def test_program_runs_and_warns_once_of_the_spool(
    machine: Machine, client: xpstore.Client, server: Server, tmp_path: Path
) -> None:
    project_id = f"test {secrets.token_hex(6)}"
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    done = machine.run(tmp_path, "-c", PROGRAM, project_id, **access)
    assert done.returncode == 0, done.stderr
    warnings = told(done)
    if warnings and warnings[-1].startswith("A result of 'twice' is returned but not cached: "):
        warnings.pop()
    assert [line[: len("The spool ")] for line in warnings] == ["The spool "] * machine.warns, done.stderr
    project = xpstore.Project.get_by_id(f"{project_id} ä")
    with project:
        model = project.experiment("e").model("m")
        assert [metric.value for metric in model.metrics.list("loss")] == (
            [step / 8 for step in range(10)] if machine.takes_logs else []
        )
        assert (int(done.stdout) > 0) is not machine.takes_logs
        assert DirectoryArtifact.get_by_name("saved").open("data").read() == b"bytes"


def test_command_line_works_there(machine: Machine, client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    project_id = f"test {secrets.token_hex(6)}"
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    saved = machine.run(tmp_path, "-m", "xpstore.cli", "put", project_id, "x", __file__, **access)
    assert (saved.returncode, told(saved)) == (0, [])
    listed = machine.run(tmp_path, "-m", "xpstore.cli", "ls", project_id, **access)
    assert (listed.returncode, told(listed)) == (0, [])
    assert [line.split("\t")[:3] for line in listed.stdout.splitlines()[1:]] == [["artifact", "x", "1"]]


FSSPEC = """
import fsspec, os
files = fsspec.filesystem("xpstore", api_key=os.environ.pop("KEY"), api_url=os.environ.pop("URL"))
print(files.ls("", detail=False))
"""


def test_fsspec_with_key_and_url_needs_no_home(client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    project = client.project(f"test {secrets.token_hex(6)}").open()
    machine = Machine(environment={"XPSTORE_HOME": "~no-such-user/x"})
    done = machine.run(tmp_path, "-c", FSSPEC, KEY=server.api_key, URL=server.address)
    assert (done.returncode, done.stderr) == (0, "")
    assert repr(project.id.replace(" ", "%20")) in done.stdout or project.id in done.stdout


@pytest.mark.parametrize("how", ["xpstore.init()", "xpstore.init(offline=True)", "fsspec.filesystem('xpstore').ls('')"])
@pytest.mark.parametrize("home", ["~no-such-user/x", "loop"])
def test_embedded_service_without_a_home_names_the_cure(how: str, home: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    machine = Machine(environment={"XPSTORE_HOME": home})
    done = machine.run(tmp_path, "-c", f"import fsspec, xpstore; {how}")
    assert done.stderr.splitlines()[-1].startswith("xpstore.errors.InvalidArgument: XPSTORE_HOME = "), done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XPSTORE_SPOOL_MIB", "much"),
        ("XPSTORE_SPOOL_MIB", "inf"),
        ("XPSTORE_SPOOL_FSYNC_SECONDS", "-1"),
        ("XPSTORE_API_URL", "ftp://host"),
        ("XPSTORE_API_URL", "http://host.example"),
        ("XPSTORE_API_KEY", "ä"),
        ("XPSTORE_API_KEY", ""),
    ],
)
def test_broken_setting_ends_a_program_at_its_start_and_names_itself(
    name: str, value: str, server: Server, tmp_path: Path
) -> None:
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    done = Machine().run(tmp_path, "-c", "import xpstore; xpstore.init()", **{**access, name: value})
    assert done.returncode == 1
    assert name in done.stderr.splitlines()[-1]
