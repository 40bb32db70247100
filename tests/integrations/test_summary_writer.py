"""A program that wrote to TensorBoard writes to us: one line of imports is another."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

import xpstore
from support.homes import without_settings
from support.services import Server
from xpstore._session import current
from xpstore.errors import NoProject
from xpstore.integrations.tensorboard import NOT_STORED, SummaryWriter
from xpstore.model import Model
from xpstore.project import Project

pytestmark = pytest.mark.client

# As torch's documentation has it, but for its first line.
PROGRAM = """
from xpstore.integrations.tensorboard import SummaryWriter
import numpy as np

writer = SummaryWriter()
for n_iter in range(3):
    writer.add_scalar('Loss/train', np.float32(0.5), n_iter)
    writer.add_scalar('Loss/test', 0.25, n_iter)
    writer.add_scalars('run_14h', {'xsinx': n_iter * np.sin(n_iter), 'xcosx': n_iter}, n_iter)
writer.add_text('lstm', 'This is an lstm', 0)
writer.add_image('my_image', np.zeros((3, 100, 100)), 0)
writer.add_hparams({'lr': 0.1, 'bsize': 1}, {'hparam/accuracy': 10, 'hparam/loss': 0.5})
writer.close()
print(writer.get_logdir())
"""


# Nobody waits for anything, and the model is made while the program ends.
HASTY = """
from xpstore.integrations.tensorboard import SummaryWriter
SummaryWriter("runs/hasty").add_scalar("loss", 0.5, 1)
"""


def points(model: Model) -> list[tuple[str, Any, int | None, str | None]]:
    return [(point.name, point.value, point.step, point.phase) for point in model.metrics.list()]


def run(program: str, server: Server, folder: Path) -> "subprocess.CompletedProcess[str]":
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address, "XPSTORE_PROJECT": "a program"}
    environment = {**without_settings(), **access, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done


def test_program_that_does_not_close_it_loses_nothing(client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    assert run(HASTY, server, tmp_path).stderr == ""
    with Project("a program") as project:
        assert points(project.experiment("runs").model("hasty")) == [("loss", 0.5, 1, None)]


def test_program_needs_no_other_line(client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    folder_of_program = tmp_path / "program"
    folder_of_program.mkdir()
    done = run(PROGRAM, server, folder_of_program)
    assert done.stderr == ""
    folder, _, name = done.stdout.strip().partition("/")
    with Project("a program") as project:
        found = project.experiment(folder).models.read(name)
        assert found is not None
        assert points(found)[:4] == [
            ("Loss", 0.5, 0, "train"),
            ("Loss", 0.25, 0, "test"),
            ("run_14h/xsinx", 0.0, 0, None),
            ("run_14h/xcosx", 0, 0, None),
        ]
        assert points(found)[12:] == [
            ("hparam/accuracy", 10, None, None),
            ("hparam/loss", 0.5, None, None),
        ]
        assert sorted((one.name, one.kind, one.step) for one in found.media) == [
            ("lstm", "text", 0),
            ("my_image", "image", 0),
        ]
        assert [(module.name, module.attributes) for module in found.modules.list()] == [
            ("hparams", {"lr": 0.1, "bsize": 1})
        ]
    assert not list(folder_of_program.iterdir())  # no folder is made


@pytest.mark.parametrize(
    ("log_dir", "experiment", "name"),
    [
        ("runs/mnist/lr 0.1/", "runs/mnist", "lr 0.1"),
        ("one", "runs", "one"),
        (Path("/tmp/logs/a"), "/tmp/logs", "a"),
        ("./logs/../runs/µ", "runs", "µ"),
    ],
)
def test_folder_is_an_experiment_and_a_model(
    log_dir: str | os.PathLike[str], experiment: str, name: str, project: Project
) -> None:
    with SummaryWriter(log_dir) as writer:
        writer.add_scalar("loss", 1.0)
        assert writer.get_logdir() == os.fspath(log_dir)
    model = project.experiment(experiment).models.read(name)
    assert model is not None and points(model) == [("loss", 1.0, None, None)]


@pytest.mark.parametrize(
    ("tag", "name", "phase"),
    [
        ("loss/train", "loss", "train"),
        ("train/loss", "loss", "train"),
        ("Loss/Validation", "Loss", "validation"),
        ("val/head/loss", "head/loss", "val"),
        ("a/b", "a/b", None),
        ("train", "train", None),
        ("/train", "/train", None),
        ("train/", "train/", None),
        ("latest/best", "latest/best", None),
        ("__proto__", "__proto__", None),
    ],
)
def test_tag_has_a_phase_at_its_end_or_start(tag: str, name: str, phase: str | None, model: Model) -> None:
    SummaryWriter(model=model).add_scalar(tag, 1.5, 2)
    assert points(model) == [(name, 1.5, 2, phase)]


def test_two_tags_are_never_one_series(model: Model) -> None:
    writer = SummaryWriter(model=model)
    for tag, value in [("loss/train", 1.0), ("train/loss", 2.0), ("loss/train", 3.0), ("train/loss", 4.0)]:
        writer.add_scalar(tag, value)
    assert points(model) == [
        ("loss", 1.0, None, "train"),
        ("train/loss", 2.0, None, None),
        ("loss", 3.0, None, "train"),
        ("train/loss", 4.0, None, None),
    ]


def test_what_is_not_stored_is_said_once_and_goes_on(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    writer = SummaryWriter(model=model, purge_step=3)
    for _ in range(2):
        for name in NOT_STORED:
            getattr(writer, name)("tag", numpy.zeros(3), global_step=1, bins="auto")
        writer.add_scalar("loss", 1.0, 1, walltime=12.5)
    writer.flush()
    writer.close()
    writer.close()
    assert len(caplog.messages) == len(NOT_STORED) + 2
    assert all(line.startswith("SummaryWriter: ") and "is not stored" in line for line in caplog.messages)
    assert points(model) == [("loss", 1.0, 1, None)] * 2
    with pytest.raises(AttributeError, match="add_scaler"):
        writer.add_scaler("loss", 1.0)


def test_media_are_logged_as_tensors_are(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    from matplotlib import pyplot

    pixels = numpy.arange(3 * 4 * 5).reshape(3, 4, 5) / 50  # beyond 1 at its end, where TensorBoard cuts it off
    writer, figure = SummaryWriter(model=model), pyplot.figure()
    writer.add_image("image/train", pixels, 1)
    writer.add_image("hw", pixels[0], 1, dataformats="HW")
    writer.add_images("grid", numpy.stack([pixels] * 3), 1)
    writer.add_histogram("histogram", numpy.arange(10), 1, bins=5)
    writer.add_histogram("edges", numpy.arange(10), 1, bins=[0, 5, 10])
    writer.add_histogram("auto", numpy.arange(10), 1, "auto", max_bins=20)
    writer.add_audio("sound", numpy.full((1, 100), 2.0), 1, sample_rate=8_000)
    writer.add_text("text", "words", 1)
    writer.add_figure("figure", figure, 1)
    found = {one.name: one for one in model.media}
    assert {name: one.kind for name, one in found.items()} == {
        **dict.fromkeys(("image/train", "hw", "grid", "figure"), "image"),
        **dict.fromkeys(("histogram", "edges", "auto"), "histogram"),
        **{"sound": "audio", "text": "text"},
    }
    shown = numpy.asarray(found["image/train"].load())
    assert shown.shape == (4, 5, 3) and shown[0, 0].tolist() == [0, 102, 204] and shown[3, 4, 2] == 255
    assert found["hw"].load().size == (5, 4) and found["grid"].load().size == (12, 10)
    assert found["histogram"].load()["counts"] == [2] * 5 and found["edges"].load()["counts"] == [5, 5]
    assert len(found["auto"].load()["counts"]) == 20
    assert not pyplot.fignum_exists(figure.number) and caplog.messages == []


def test_media_that_make_no_sense_are_told_once(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    writer: Any = SummaryWriter(model=model)
    writer.add_image("image", numpy.zeros((2, 2)))
    writer.add_image("image", numpy.full((1, 2, 2), numpy.nan))
    writer.add_images("images", None)
    writer.add_figure("figure", object())
    writer.add_histogram("histogram", [])
    writer.add_audio("sound", "nothing")
    writer.add_text("x" * 300, "text")
    assert model.media.list() == []
    assert len(caplog.messages) == 1 and "dataformats = 'CHW'" in caplog.messages[0]


def test_media_that_wait_for_their_model_are_bounded(
    model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("xpstore.integrations.tensorboard.MOST_HELD_BYTES", 100)
    writer, go_on = SummaryWriter("runs/held"), threading.Event()
    writer._background.add(go_on.wait)
    writer._model = None
    for step in range(10):
        writer.add_text("text", "x" * 30, step)
    go_on.set()
    writer.close()
    assert [one.step for one in writer._made().media("text")] == [0, 1, 2]
    assert len(caplog.messages) == 1 and "the model is not made yet" in caplog.messages[0]


def test_arguments_that_make_no_sense_are_told_once(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    writer: Any = SummaryWriter(model=model)
    writer.add_scalar("loss", 1.0, -1)
    writer.add_scalar(None, 1.0)
    writer.add_scalar("x" * 300, 1.0)
    writer.add_scalars("loss", None)
    writer.add_scalar("loss", numpy.zeros(3), 1)
    writer.add_text("text", object())
    writer.add_hparams({"f": print}, {})
    writer.add_scalar("loss", numpy.ones(1), 1)
    assert points(model) == [("loss", 1.0, 1, None)]
    assert len(caplog.messages) == 1 and "step = -1" in caplog.messages[0]


def test_value_is_what_it_was_at_the_call(model: Model) -> None:
    writer, go_on, loss = SummaryWriter(model=model), threading.Event(), numpy.zeros(())
    writer._background.add(go_on.wait)  # as where the model is not made yet
    writer.add_scalar("loss", loss, 0)
    loss += 1
    go_on.set()
    writer.close()
    writer.add_scalar("loss", loss, 1)
    assert points(model) == [("loss", 0.0, 0, None), ("loss", 1.0, 1, None)]


def test_without_a_project_it_says_so_at_the_start(client: xpstore.Client) -> None:
    with pytest.raises(NoProject, match="XPSTORE_PROJECT"):
        SummaryWriter("runs/a")
    assert current.find_client() is client
