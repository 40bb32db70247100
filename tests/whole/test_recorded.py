"""What a run records of its command line: no secrets, and nothing if that is asked for."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import xpstore
from support.services import Server
from xpstore._machine.environment import capture
from xpstore._machine.masking import masked
from xpstore.errors import InvalidArgument

pytestmark = pytest.mark.client

SECRET = "hunter2-Swordfish"


@pytest.mark.parametrize(
    "words",
    [
        ["--password", SECRET],
        [f"--db-password={SECRET}"],
        ["--apiKey", SECRET],
        ["-token", SECRET],
        [f"API_TOKEN={SECRET}"],
        [f"db.passwd={SECRET}"],
        [f"+model.credentials={SECRET}"],
        [f"--set=auth.secret={SECRET}"],
        ["--secret-key", SECRET, "--lr", "1"],
        ["--tokens", "first", SECRET],
        ["--password", f"-{SECRET}"],
        ["--password", f"two words {SECRET}"],
        [f"--passphrase={SECRET} {SECRET}"],
        [f"postgresql://u:{SECRET}@host/db"],
        [f"--url=postgresql://u:p@{SECRET}@host/db"],
        [f"redis://:{SECRET}@host"],
        [f"https://{SECRET}@host/x.git"],
        [f"s3://KEY:a/{SECRET}@host:9000/bucket"],
        [f"https://host/x?a=1&access_token={SECRET}&b=2"],
        [f"https://host/x?X-Amz-Signature={SECRET}"],
        ["-H", f"Authorization: Bearer {SECRET}"],
        ["-H", f"Authorization: {SECRET}"],
        ["-H", "Authorization:", "Bearer", SECRET],
        [f"--header=X-Api-Key: {SECRET}"],
        ["-H", f"Cookie: session={SECRET}; x={SECRET}"],
        [f"bearer {SECRET}"],
        ["--user", f"me:{SECRET}"],
        ["-c", f"connect(password='{SECRET}', n=1)"],
        ["-c", f'k["api_key"] = "{SECRET}"'],
        [f'{{"lr": 1, "secret": "{SECRET}"}}'],
        [f'{{"lr": 1, "secret": "quo\\"te {SECRET}"}}'],
        [f"{{lr: 1, password: {SECRET}}}"],
        [f"Server=h;Password={SECRET};User=u"],
        [f"xps_{SECRET}"],
        [f"hf_{SECRET}"],
        [f"-p{SECRET}"],
        [f"-p={SECRET}"],
        [f"-P{SECRET}"],
        ["-phunter2"],
        ["--token", f"-p{SECRET}"],
        ["-u", f"me:{SECRET}"],
        [f"-ume:{SECRET}"],
        [f"--user=me:{SECRET}"],
        [f"me:{SECRET}@host"],
        [f"--db=me:{SECRET}@host:5432/x"],
        [f"me:a@{SECRET}@10.0.0.1"],
        [f'{{"db": "me:{SECRET}@host"}}'],
        [f"AWS_SECRET_ACCESS_KEY={SECRET}"],
        [f"-ePGPASSWORD={SECRET}"],
        [f"Authorization: Bearer {SECRET}"],
        [f"--header=Authorization: token {SECRET}"],
        [f"https://host/x?token={SECRET}#top"],
        [f"https://host/x#access_token={SECRET}"],
        [f"ghp_{SECRET}"],
        [f"sk-{SECRET}"],
        [f"--x=sk-ant-{SECRET}"],
        [f"glpat-{SECRET}"],
        [f"xoxb-{SECRET}"],
        [f"AKIA{SECRET}"],
        [f"eyJ{SECRET}.eyJ{SECRET}.{SECRET}"],
        [f'{{"api_keys": ["{SECRET}", "{SECRET}"], "lr": 1}}'],
        [f'{{"auth": {{"user": "me", "pass": "{SECRET}"}}}}'],
        [f'{{"db": {{"user": "me", "password": "{SECRET}"}}}}'],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_secrets_are_masked(words: list[str]) -> None:
    shown = masked(["train.py", *words, "--epochs", "3"], {})
    assert shown[0] == "train.py" and shown[-2:] == ["--epochs", "3"]
    assert "unter2" not in " ".join(shown) and "***" in " ".join(shown)


@pytest.mark.parametrize(
    "words",
    [
        ["train.py", "--lr", "0.1", "-v", "data/x.csv"],
        ["--tokenizer", "bert", "--max-tokens", "512", "--num_tokens=4096", "--keyboard", "us", "--compass=north"],
        ["xpstore://campaign/table@3/x", "http://host:8080/a@b", "https://host/?page=2#top", "C:\\x", "10:30:00"],
        ["--use-token", "--verbose"],
        ["-p", "8080", "-p8080", "-p8080:80/tcp", "-p=80", "-p0.5", "-pv", "-print", "-patience", "5", "-per-gpu", "4"],
        ["-pretrained", "x", "-Pprod", "-u", "1000:1000", "-u1000:1000", "-u", "-U"],
        ["--passes", "3", "--max-tokens", "5", "--tokenizer", "bert", "--hf_model_name", "bert", "--sk-learn-2", "x"],
        ["sk-learn-model", "hf_hub_download", "image:tag@sha256:0123", "git@host.org:a/b.git", "mailto:me@host.org"],
        ['{"layers": [1, 2], "betas": {"a": 0.9}, "name": "x"}', "a:b", "C:\\x@y", "me@host.org"],
        ["-m", "pytest", "tests/x.py::test_y[a-b]", "-k", "a and not b"],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_other_words_stay(words: list[str]) -> None:
    assert masked(words, {}) == words


@pytest.mark.parametrize("part", ["a=", "a=[", "{a:", "a:1,", "a@b:", '"k": 1, ', "p"])
def test_long_words_take_a_moment(part: str) -> None:
    began = time.monotonic()
    shown = masked([part * (40_000 // len(part)), f"-p{SECRET}"], {})
    assert shown[1] == "-p***" and time.monotonic() - began < 10


def test_names_stay() -> None:
    assert masked(["--db-password=x", "u:1", "postgresql://me:x@h/d"], {}) == [
        "--db-password=***",
        "u:1",
        "postgresql://me:***@h/d",
    ]


def test_secrets_of_the_environment_are_masked_wherever_they_stand() -> None:
    environment = {"MY_TOKEN": SECRET, "HOME": "/home/somebody", "SHORT_KEY": "abc", "MAX_TOKENS": "123456789"}
    words = [f"prefix-{SECRET}", "/home/somebody/abc", "123456789"]
    assert masked(words, environment) == ["prefix-***", *words[1:]]


PROGRAM = """
import os, sys, xpstore
xpstore.init()
with xpstore.Project(sys.argv[1]) as project, project.experiment("e").model({}).run() as run:
    pass
"""


@pytest.mark.parametrize("recorded", ["1", "0"])
def test_run_records_its_command(recorded: str, client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    name = f"recorded {recorded}"
    command = [sys.executable, "train.py", name, "--password", SECRET, f"DB=postgresql://u:{SECRET}@h/d"]
    environment = {
        **os.environ,
        "XPSTORE_API_KEY": server.api_key,
        "XPSTORE_API_URL": server.address,
        "XPSTORE_RECORD": recorded,
        "RANK": "2",
    }
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)
    project = xpstore.Project.get_by_id(name)
    (run,) = project.experiments.read("e").models.list()[0].runs  # type: ignore[union-attr]
    assert run.rank == 2 and SECRET not in run.command
    if recorded == "1":
        assert f"train.py '{name}' --password '***'" in run.command and "postgresql://u:***@h/d" in run.command
        assert run.host and run.user and run.packages
    else:
        assert (run.command, run.host, run.user, run.git_commit, run.packages) == ("", "", "", "", {})
    project.delete()


def test_bad_value_of_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_RECORD", "off")
    with pytest.raises(InvalidArgument, match="XPSTORE_RECORD = 'off'"):
        capture(1_000)


# Trains until its machine was looked at three times. There is no GPU here: this says what NVIDIA's library would.
WATCHED = """
import sys, time, types
class NVMLError(Exception): pass
class Used: used, gpu = 3 << 30, 87
def refuses(*_): raise NVMLError
sys.modules["pynvml"] = types.SimpleNamespace(
    NVMLError=NVMLError, NVML_TEMPERATURE_GPU=0, nvmlInit=lambda: None, nvmlDeviceGetCount=lambda: 2,
    nvmlDeviceGetHandleByIndex=lambda number: number, nvmlDeviceGetUtilizationRates=lambda _: Used,
    nvmlDeviceGetMemoryInfo=lambda _: Used, nvmlDeviceGetPowerUsage=lambda _: 250_500, nvmlDeviceGetTemperature=refuses)
import xpstore
xpstore.init()
with xpstore.Project(sys.argv[1]) as project:
    model = project.experiment("e").model({})
    with model.run():
        for _ in range(int(sys.argv[2])):
            while len(model.metrics.read("cpu_percent_rank_2", "system")) < 3:
                time.sleep(0.05)
"""


def watched(name: str, tmp_path: Path, server: Server, rounds: int, **environment: str) -> xpstore.Model:
    address = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    command = [sys.executable, "-c", WATCHED, name, str(rounds)]
    environment = {**os.environ, **address, "RANK": "2", **environment}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=120)
    return xpstore.Project.get_by_id(name).experiments.read("e").models.list()[0]  # type: ignore[union-attr]


def test_run_logs_what_its_machine_is_busy_with(client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    model = watched("watched", tmp_path, server, 1, XPSTORE_SYSTEM_METRICS="0.05")
    last = {point.name.removesuffix("_rank_2"): point for point in model.metrics.list()}
    assert all(point.phase == "system" and point.step is None for point in last.values())
    assert {"cpu_percent", "memory_percent", "disk_percent", "network_sent_bytes_per_second"} < set(last)
    assert 1 << 20 < last["process_memory_bytes"].value < 1 << 40 and 0 < last["memory_percent"].value <= 100
    gpu = {name: point.value for name, point in last.items() if name.startswith("gpu_1")}
    assert gpu == {"gpu_1_percent": 87, "gpu_1_memory_bytes": 3 << 30, "gpu_1_watts": 250.5}
    model.delete()


@pytest.mark.parametrize("off", ["XPSTORE_SYSTEM_METRICS", "XPSTORE_RECORD"])
def test_run_that_may_not_look_logs_nothing(off: str, client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    model = watched(f"unwatched {off}", tmp_path, server, 0, **{"XPSTORE_SYSTEM_METRICS": "0.000001", off: "0"})
    assert model.metrics.names() == []
