"""Artifacts that tests of the page look at: of every kind that it shows, with odd names, and some that lie."""

import io
import json
import struct
import wave
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from xpstore import Client, Project
from xpstore.artifact import DatasetArtifact, DirectoryArtifact

ROOM = "files & more"
MANY = 3_000
# Deleted; of the second the id was taken by another since.
THROWN, TAKEN = "thrown away", "taken"
# Deleted models, and an experiment.
GONE, TAKEN_MODEL, GONE_EXPERIMENT = "gone model", "taken model", "gone experiment"
ODD = 'odd /name\'s "<script>alert(1)</script>" ünï@3'
MARKUP = "<script>document.title = 'owned'</script><b>bold</b>"
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">
<script>alert(1)</script><rect width="40" height="30"/></svg>"""
OLD, NEW = (
    "\n".join([f"line {number}" for number in range(40)]),
    "\n".join(["line 0", "line one", *(f"line {number}" for number in range(2, 40)), "the end"]),
)


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x20\x80\xc0" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


def tone() -> bytes:
    """A tenth of a second of sound."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\x10" * 800)
    return file.getvalue()


def table() -> pd.DataFrame:
    return pd.DataFrame({"loss": [number / 4 for number in range(500)], "name": [f"<i>{n}</i>" for n in range(500)]})


def _write(folder: Path) -> None:
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "blue.png").write_bytes(png(40, 30))
    (folder / "pictures" / "drawn.svg").write_text(SVG)
    (folder / "pictures" / "no picture.png").write_text(MARKUP)
    (folder / "tone.wav").write_bytes(tone())
    (folder / "page.html").write_text(MARKUP)
    (folder / "long.txt").write_text("0123456789abcde\n" * 8192)  # twice what is read of it
    (folder / "settings.json").write_text(
        json.dumps({"net": {"depth": [1, 2, 3]}, "seed": 12345678901234567890, "a": MARKUP})
    )
    (folder / "no.json").write_text("{")
    (folder / "rows.csv").write_text('name,value\n"a ""b"", c",1\n"two\nlines",2\n')
    (folder / "none.txt").write_text("")
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 10)
    np.save(folder / "array.npy", np.arange(12, dtype=">f4").reshape(3, 4))
    for compression in ("snappy", "zstd"):
        table().to_parquet(folder / f"{compression}.parquet", compression=compression)
    (folder / "no.parquet").write_bytes(b"PAR1 and nothing else PAR1")


def fill_trash(project: Project) -> None:
    """Deletes two models, of which one has its place taken since, and an experiment with its model."""
    experiment = project.experiment("trash")
    for name in (GONE, TAKEN_MODEL):
        experiment.models.delete(experiment.models.create(name, name=name).id)
    experiment.models.create(TAKEN_MODEL, name="the other")
    gone = project.experiment(GONE_EXPERIMENT)
    gone.models.create("m")
    project.experiments.delete(gone.id)


def fill_files(client: Client, folder: Path) -> None:
    """A project with artifacts: `kinds`, one of many files, two versions that differ, and what was made of what."""
    project = client.project(ROOM).open()
    model = project.experiment("first").model(config={"depth": 3})
    _write(folder / "kinds")
    DirectoryArtifact.save(
        folder / "kinds", "kinds", project=project, description="Of every kind.", metadata={"a": {"b": 1}}
    )
    many = folder / "many"
    for number in range(MANY):
        (many / f"{number // 1000}" / f"{number // 100 % 10}").mkdir(parents=True, exist_ok=True)
        (many / f"{number // 1000}" / f"{number // 100 % 10}" / f"{number:04}.txt").write_text(str(number))
    DirectoryArtifact.save(many, "many", project=project)
    texts = folder / "texts"
    texts.mkdir()
    (texts / "log.txt").write_text(OLD)
    (texts / "gone.txt").write_text("moved")
    (texts / "same.txt").write_text("same")
    (texts / "run.sh").write_text("ls")
    first = DirectoryArtifact.save(texts, ODD, project=project, metadata={"lr": 0.1})
    (texts / "log.txt").write_text(NEW)
    (texts / "run.sh").chmod(0o755)
    (texts / "gone.txt").rename(texts / "\uffee moved.txt")
    (texts / '\U0001f600 "new" <b>.txt').write_text("new")
    second = DirectoryArtifact.save(texts, ODD, project=project, metadata={"lr": 0.2}, aliases=["best"])
    data = DatasetArtifact.save(table(), "data", project=project, used=[first])
    made = DirectoryArtifact.save(texts / "log.txt", "result", project=project, model=model, used=[data, second])
    DirectoryArtifact.save(texts / "same.txt", "report", project=project, used=[made])
    for size in (1, 2, 1):
        project.cache.get_or_compute("tokenize", {"size": size}, lambda: ["a", "b"])
    fill_trash(project)
    for name in (THROWN, TAKEN):
        client.project(name).open().delete()
    client.project(TAKEN).open()
