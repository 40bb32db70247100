"""Media that are logged to a server and read from it."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from sqlalchemy import func, select

from support.backends import Backend
from xpstore import Client, errors
from xpstore.artifact import DirectoryArtifact
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project
from xpstore_server.app import Stores
from xpstore_server.settings import load
from xpstore_server.store import tables

PIXELS = numpy.arange(48, dtype="uint8").reshape(4, 4, 3)


def test_all_kinds_are_read_as_they_were_logged(client: Client, model: Model, tmp_path: Path) -> None:
    (path := tmp_path / "sound").write_bytes(b"fLaC and more")
    model.log_image("a/image", PIXELS, step=3, caption="first")
    model.log_table("table", [{"a": 1, "b": math.inf}], step=1)
    model.log_histogram("histogram", [1.0, 2.0], step=2, bins=2)
    model.log_text("text", "so und so\n\x00", step=5)
    model.log_audio("sound", path, step=4)
    assert model.media.names() == ["a/image", "histogram", "sound", "table", "text"]
    table, histogram, image, sound, text = list(model.media)
    assert [one.step for one in (table, histogram, image, sound, text)] == [1, 2, 3, 4, 5]
    assert [one.kind for one in model.media] == ["table", "histogram", "image", "audio", "text"]
    assert table.load() == [{"a": 1, "b": math.inf}]
    assert histogram.load() == {"edges": [1.0, 1.5, 2.0], "counts": [1, 1]}
    assert (numpy.asarray(image.load()) == PIXELS).all() and image.caption == "first"
    assert sound.load() == sound.read_bytes() == b"fLaC and more" and sound.size_bytes == 13
    assert text.load() == "so und so\n\x00"
    assert repr(image) == "Medium(name='a/image', kind='image', step=3, caption='first')"
    assert client.dropped_count == 0


def test_steps_and_names_choose(model: Model) -> None:
    for step in range(5):
        model.log_text("a", f"{step}", step=step)
        model.log_text("b", f"{step}", step=step)
    assert [one.step for one in model.media("a")] == [0, 1, 2, 3, 4]
    assert [one.load() for one in model.media.list("b", from_step=1, to_step=3, descending=True)] == ["3", "2", "1"]
    assert len(model.media.list()) == 10 and model.media("c") == []
    with pytest.raises(errors.InvalidArgument, match="from_step = -1"):
        model.media.list("a", from_step=-1)


def test_step_is_what_this_program_knows_of_the_models(experiment: Experiment, model: Model) -> None:
    model.log_text("t", "at first")
    model.step = 7
    experiment.models.read(model.hash).log_text("t", "assigned")  # type: ignore[union-attr]  # another handle of it
    model.advance(2)
    model.log_text("t", "advanced")
    assert [(one.step, one.load()) for one in model.media("t")] == [(0, "at first"), (7, "assigned"), (9, "advanced")]


def test_lists_of_artifacts_leave_media_out(project: Project, model: Model) -> None:
    kept = DirectoryArtifact.save(b"x", "kept", model=model, step=1)
    model.log_text("t", "x", step=1)
    (medium,) = model.media("t")
    assert model.artifacts.list() == project.artifacts.list() == [kept]
    assert [one.id for one in model.artifacts.list(f"media/{model.id}/t")] == [medium.version_id]


@pytest.fixture
def stores(backend: Backend) -> Iterator[Stores]:
    stores = Stores(load(database_url=backend.database_url, blob_url=backend.blob_url))
    yield stores
    stores.close()


def test_repeated_image_costs_no_bytes(model: Model, stores: Stores) -> None:
    def stored_bytes() -> int:
        pack = tables.pack
        mine = select(func.coalesce(func.sum(pack.c.size_bytes), 0)).where(pack.c.pool == model.project_uid)
        return int(stores.database.read(lambda tx: tx.execute(mine).scalar_one()))

    model.log_image("same", PIXELS, step=0)
    assert len(model.media("same")) == 1
    before = stored_bytes()
    for step in range(1, 20):
        model.log_image("same", PIXELS, step=step)
        model.log_image("too", PIXELS, step=step)
    assert (len(model.media("same")), len(model.media("too"))) == (20, 19)
    assert stored_bytes() == before > 0


def test_media_of_a_deleted_model_are_told_of_and_dropped(
    client: Client, model: Model, experiment: Experiment, caplog: pytest.LogCaptureFixture
) -> None:
    model.delete()
    model.log_text("t", "lost")
    client.flush()
    assert client.dropped_count == 1
    assert "1 media are dropped, as they cannot be stored. The last, 't': There is no model" in caplog.text
    with pytest.raises(errors.NotFound):
        model.media.names()
