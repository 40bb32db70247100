"""What a run records of where and from what it was started."""

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.needs import needs
from xpstore._machine.masking import masked
from xpstore.model import Model
from xpstore.v1 import run_pb2 as pb


@pytest.mark.client
def test_environment_is_captured_without_being_asked(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with model.run():
        pass
    (attempt,) = model.runs
    assert attempt.rank == 3
    assert attempt.host == platform.node()
    assert attempt.user
    assert attempt.command == shlex.join(masked(sys.orig_argv))
    assert attempt.python == platform.python_version()
    assert attempt.packages["grpcio"]


@pytest.mark.parametrize(
    ("variable", "value", "rank"), [("LOCAL_RANK", "2", 2), ("SLURM_PROCID", "5", 5), ("RANK", "x", 0)]
)
@pytest.mark.client
def test_rank_comes_from_the_launcher(
    model: Model, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, rank: int
) -> None:
    for each in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(variable, value)
    with model.run() as attempt:
        assert attempt.rank == rank


def listed(model: Model) -> list[pb.Run]:
    model._client.flush()
    request = pb.ListRunsRequest(model_id=str(model.id))
    return list(model._client.call(model._client.stubs.runs.ListRuns, request).runs)


@pytest.mark.client
def test_commit_of_the_work_tree_is_captured(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = needs("git")

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        return subprocess.run([path, *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    with model.run() as outside:
        assert (outside.git_commit, outside.git_dirty) == ("", False)
    git("init", "-q")
    Path("train.py").write_text("1\n")
    git("add", "train.py")
    with model.run() as unborn:
        assert (unborn.git_commit, unborn.git_dirty) == ("", False)
    git("commit", "-qm", "first")
    Path("untracked").touch()
    with model.run() as clean:
        assert (clean.git_commit, clean.git_dirty) == (git("rev-parse", "HEAD"), False)
    Path("train.py").write_text("2\n")
    with model.run() as dirty:
        assert (dirty.git_commit, dirty.git_dirty) == (clean.git_commit, True)
    assert clean.git_diff == "" and dirty.git_diff.endswith("@@ -1 +1 @@\n-1\n+2\n")
    assert model.runs[-1].git_diff == dirty.git_diff == git("diff") + "\n"
    assert [run.environment.git_diff for run in listed(model)] == ["", "", "", ""], "a list goes without"

    Path("train.py").write_text("token = 'sesame-open'\n" + "x = 1\n" * 100_000)
    with model.run() as long:
        pass
    assert len(long.git_diff) <= 256 << 10 and "sesame" not in long.git_diff and "+token = '***'\n" in long.git_diff
    assert long.git_diff.endswith("\n+x = 1\n... and more, which is not recorded\n")
    monkeypatch.setenv("XPSTORE_RECORD_DIFF", "0")
    with model.run() as unsaid:
        pass
    assert (unsaid.git_dirty, unsaid.git_diff) == (True, "")


@pytest.mark.client
def test_job_is_what_the_cluster_says(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "a" * 300)
    with model.run() as attempt:
        pass
    (found,) = model.runs
    assert found.job == attempt.job and found.job["slurm_job_id"] == "4711"
    assert len(found.job["slurm_cluster_name"]) == 256


@pytest.mark.client
def test_missing_git_is_no_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with model.run() as attempt:
        assert attempt.git_commit == ""
