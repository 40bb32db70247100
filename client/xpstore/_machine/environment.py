"""Where and from what a program runs, as a run records it. What cannot be found out stays empty.

Secrets in the command line are masked. `XPSTORE_RECORD=0` records nothing of this but the rank.
"""

import contextlib
import functools
import getpass
import importlib.metadata
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

from xpstore._machine.masking import masked, masked_text
from xpstore._machine.settings import setting
from xpstore._values.checks import to_text
from xpstore.v1 import run_pb2 as pb

GIT_TIMEOUT_SECONDS = 2.0
# As the server takes it.
DIFF_LENGTH = 256 << 10
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
# What launchers, clusters and services of this field say of a job to its processes.
JOB_VARIABLES = (
    "SLURM_JOB_ID",
    "SLURM_JOB_NAME",
    "SLURM_CLUSTER_NAME",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "PBS_JOBID",
    "PBS_JOBNAME",
    "LSB_JOBID",
    "LSB_JOBNAME",
    "JOB_ID",
    "WORLD_SIZE",
    "TORCHELASTIC_RUN_ID",
    "RAY_JOB_ID",
    "TRAINING_JOB_NAME",
    "AWS_BATCH_JOB_ID",
    "CLOUD_ML_JOB_ID",
    "AZUREML_RUN_ID",
    "GITHUB_RUN_ID",
    "CI_JOB_ID",
    "BUILD_TAG",
)
JOB_LENGTH = 256


def capture(max_text_length: int, program: Sequence[str] | None = None) -> pb.RunEnvironment:
    """Looks around, unless the user does not want that.

    Args:
        max_text_length: of each text, in characters.
        program: the words of another program that this is for, whose packages are not known; default this one.

    Raises:
        InvalidArgument: XPSTORE_RECORD is no number.
    """
    if not setting("XPSTORE_RECORD", 1):
        return pb.RunEnvironment(rank=_rank(), packages_json="{}")
    commit, is_dirty = _git()
    has_diff = is_dirty and setting("XPSTORE_RECORD_DIFF", 1)
    return pb.RunEnvironment(
        rank=_rank(),
        host=to_text(socket.gethostname(), max_text_length),
        user=to_text(_user(), max_text_length),
        command=to_text(shlex.join(masked(program or sys.orig_argv)), max_text_length),
        python=platform.python_version() if program is None else "",
        packages_json=_packages_json() if program is None else "{}",
        git_commit=commit,
        git_dirty=is_dirty,
        git_diff=_diff() if has_diff else "",
        job_json=_job_json(),
    )


def _rank() -> int:
    for variable in RANK_VARIABLES:
        value = os.environ.get(variable, "")
        if value.isdecimal() and int(value) < 1 << 31:
            return int(value)
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number without a name
        return str(os.getuid()) if hasattr(os, "getuid") else ""


@functools.cache
def _packages_json() -> str:
    packages = {}
    for distribution in importlib.metadata.distributions():
        with contextlib.suppress(Exception):  # metadata that a broken installation left behind
            packages[str(distribution.metadata["Name"])] = str(distribution.version)
    return json.dumps(dict(sorted(packages.items())))


def _git() -> tuple[str, bool]:
    """The commit of the work tree here and whether tracked files have changed."""
    command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            check=True,
            timeout=GIT_TIMEOUT_SECONDS,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=_git_environment(),
        )
    except (OSError, subprocess.SubprocessError):
        return "", False
    lines = answer.stdout.splitlines()
    commits = [line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid ")]
    commit = commits[0] if commits and commits[0] != "(initial)" else ""
    return commit, bool(commit) and any(not line.startswith("#") for line in lines)


def _git_environment() -> dict[str, str]:
    return {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # else it would get in the way of other git commands


def _diff() -> str:
    """The changes of tracked files as a patch, with secrets masked; of a long one the first lines."""
    command = ["git", "diff", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD"]
    # So much is read, however much there is: a character has at most 4 bytes.
    limit = 4 * DIFF_LENGTH
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_git_environment(),
        ) as git:
            ends = threading.Timer(GIT_TIMEOUT_SECONDS, git.kill)
            ends.start()
            assert git.stdout is not None
            data = git.stdout.read(limit)
            if git.stdout.read(1):
                git.kill()
            is_whole = git.wait() == 0
            ends.cancel()
    except OSError:
        return ""
    text = masked_text(data.decode(errors="replace").replace("\x00", "\\x00"))
    if is_whole and len(text) <= DIFF_LENGTH:
        return text
    told = "... and more, which is not recorded\n"
    return text[: DIFF_LENGTH - len(told)].rpartition("\n")[0] + f"\n{told}"


def _job_json() -> str:
    found = {name.lower(): os.environ.get(name, "") for name in JOB_VARIABLES}
    return json.dumps({name: to_text(value, JOB_LENGTH) for name, value in found.items() if value})
