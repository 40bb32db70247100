"""Media: images, figures, tables, histograms, texts and sounds of a model, by step."""

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from xpstore._files.ranges import read_range
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._session.described_model import DescribedModel
from xpstore._session.step_reads import reads
from xpstore._values.checks import MAX_NAME_LENGTH, to_free_text, to_name, to_step
from xpstore._values.times import to_datetime
from xpstore.v1 import media_pb2 as pb

if TYPE_CHECKING:
    import builtins

    from xpstore._media.content import Content

__all__ = ["Medium", "ModelMedia"]

# Of the name of the artifact, "media/MODEL_ID/" is ours.
MAX_LENGTH = MAX_NAME_LENGTH - 43
KINDS = {
    pb.MEDIA_KIND_IMAGE: "image",
    pb.MEDIA_KIND_FIGURE: "figure",
    pb.MEDIA_KIND_TABLE: "table",
    pb.MEDIA_KIND_HISTOGRAM: "histogram",
    pb.MEDIA_KIND_TEXT: "text",
    pb.MEDIA_KIND_AUDIO: "audio",
}


@dataclass(frozen=True, slots=True, repr=False)
class Medium:
    """Something to look at or to listen to, logged at a step.

    Attributes:
        name: the name it was logged under.
        kind: "image", "figure", "table", "histogram", "text" or "audio"; "" of a kind that this client does not know.
        step: the training step.
        caption: what was said of it; "" if nothing was.
        size_bytes: size of its file.
        created_at: when the server stored it, UTC.
        version_id: the id of its artifact version.
        path: what its file is called in that.
    """

    name: str
    kind: str
    step: int
    caption: str
    size_bytes: int
    created_at: datetime
    version_id: str
    path: str
    _client: ClientBase = field(compare=False)

    def read_bytes(self) -> bytes:
        """Returns its file.

        Raises:
            NotFound: it was deleted.
        """
        return b"".join(read_range(self._client, self.version_id, self.path, 0, self.size_bytes))

    def load(self) -> Any:
        """Returns what it is.

        A text is text, a table a list of dictionaries, a histogram a dictionary of its "edges" and "counts", a figure
        of Plotly its JSON; an image is one of Pillow where that is installed; other files are bytes.

        Raises:
            NotFound: it was deleted.
        """
        data = self.read_bytes()
        if self.kind == "text":
            return data.decode()
        if self.kind in ("figure", "histogram"):
            from json import loads  # here, as many only look at images

            return loads(data)
        if self.kind == "table":
            from xpstore._media.tables import from_table  # here, as many only look at images

            return from_table(data)
        if self.kind == "image" and find_spec("PIL") is not None:
            from io import BytesIO  # here, as is what needs it

            from PIL import Image  # here: it may be missing

            return Image.open(BytesIO(data))
        return data

    def __repr__(self) -> str:
        caption = f", caption={reprlib.repr(self.caption)}" if self.caption else ""
        return f"Medium(name={self.name!r}, kind={self.kind!r}, step={self.step}{caption})"


class ModelMedia:
    """The media of a model. Every read sends first what this program has logged.

    Example:
        ```python
        model.media.names()  # ["samples", "confusion"]
        for medium in model.media("samples"):
            show(medium.step, medium.load())
        ```
    """

    def __init__(self, client: ClientBase, model_id: str) -> None:
        self._client = client
        self._model_id = model_id

    def names(self) -> list[str]:
        """Returns the names under which there are media, sorted.

        Raises:
            NotFound: the model was deleted.
            Unavailable: the server is away, or the client is offline.
        """
        request = pb.ListMediaNamesRequest(model_id=self._model_id)
        self._send()
        return [one.name for one in iterate(self._client, self._client.stubs.media.ListMediaNames, request, "names")]

    def list(
        self,
        name: str | None = None,
        *,
        from_step: int | None = None,
        to_step: int | None = None,
        descending: bool = False,
    ) -> "list[Medium]":
        """Returns media by step, those of a name or all.

        Args:
            name: only what was logged under it.
            from_step: only from this step on.
            to_step: only up to this step, and with it.
            descending: last step first.

        Raises:
            InvalidArgument: a step is negative, or the name too long.
            NotFound: the model was deleted.
            Unavailable: the server is away, or the client is offline.
        """
        return list(self._found(name, from_step, to_step, descending))

    def __call__(self, name: str) -> "builtins.list[Medium]":
        """Returns what was logged under a name, as `list(name)`."""
        return self.list(name)

    def __iter__(self) -> Iterator[Medium]:
        """Yields all media by step, as they are read."""
        return self._found(None, None, None, False)

    def _found(
        self, name: str | None, from_step: int | None, to_step_: int | None, descending: bool
    ) -> Iterator[Medium]:
        request = pb.ListMediaRequest(
            model_id=self._model_id,
            names=[] if name is None else [to_name("name", name, MAX_LENGTH)],
            from_step=None if from_step is None else to_step("from_step", from_step),
            to_step=None if to_step_ is None else to_step("to_step", to_step_),
            descending=descending,
        )
        self._send()
        for wire in iterate(self._client, self._client.stubs.media.ListMedia, request, "media"):
            yield self._made(wire)

    def _made(self, wire: pb.Media) -> Medium:
        return Medium(
            name=wire.name,
            kind=KINDS.get(wire.kind, ""),
            step=wire.step,
            caption=wire.caption,
            size_bytes=wire.size_bytes,
            created_at=to_datetime(wire.created_at_us),
            version_id=wire.version_id,
            path=wire.path,
            _client=self._client,
        )

    def _send(self) -> None:
        self._client.flush_media(self._client.timeout_seconds)

    def __repr__(self) -> str:
        return f"ModelMedia(model_id={self._model_id!r})"


class LogsMedia(DescribedModel):
    """What a model has to log media. Each call has stored it on this machine when it returns, and sends it later."""

    @property
    def media(self) -> ModelMedia:
        """The media of the model, to read."""
        return ModelMedia(self._client, self._wire.id)

    def log_image(self, name: str, image: Any, step: int | None = None, caption: str | None = None) -> None:
        """Logs an image. It is in the spool when this returns, and goes to the server in the background.

        Never waits for the server, and raises nothing for its sake: what has no room in the spool is dropped with a
        warning and counted in `client.dropped_count`. So do all that log media.

        Args:
            name: what it shows, 1 to 213 characters; images of a name are shown by step.
            image: one of Pillow; an array of numpy, torch or the like of shape (height, width), (height, width, 1 to
                4) or (1, 3 or 4, height, width), of uint8 or of floats between 0 and 1; or bytes or a path of PNG,
                JPEG, WebP or GIF, which are kept as they are. Others become PNG.
            step: the training step, never negative; by default the model's, as this program last assigned or read it.
            caption: what to write below it.

        Raises:
            InvalidArgument: it is no image, or something else is malformed.
            ResourceExhausted: the spool is full, if the client is strict.
        """
        from xpstore._media.images import to_image  # here, as many programs log none

        self._log_medium(name, to_image(image), step, caption)

    def log_figure(self, name: str, figure: Any, step: int | None = None, caption: str | None = None) -> None:
        """Logs a figure of Matplotlib, as an image, or of Plotly, which pages draw.

        The other arguments and what it raises are those of `log_image`. A figure stays open: close it.
        """
        from xpstore._media.figures import to_figure  # here, as many programs log none

        self._log_medium(name, to_figure(figure), step, caption)

    def log_table(self, name: str, table: Any, step: int | None = None, caption: str | None = None) -> None:
        """Logs a table of up to 10,000 rows and 256 columns.

        The other arguments and what it raises are those of `log_image`. NaN and infinities stay numbers, dates and
        times become text of ISO 8601, bytes text of base64.

        Args:
            name: as of an image.
            table: a DataFrame of pandas (with its index, unless that only counts), a Table of pyarrow, a list of
                dictionaries or a dictionary of lists. More is for `DatasetArtifact.save`.
            step: as of an image.
            caption: as of an image.
        """
        from xpstore._media.tables import to_table  # here, as many programs log none

        self._log_medium(name, to_table(table), step, caption)

    def log_histogram(
        self, name: str, values: Any, step: int | None = None, caption: str | None = None, *, bins: int = 64
    ) -> None:
        """Logs how numbers are distributed.

        The other arguments and what it raises are those of `log_image`.

        Args:
            name: as of an image.
            values: an array of numbers of any shape, or a list; or counts and edges as `numpy.histogram` returns them.
                Of NaN and infinities only the number is kept.
            step: as of an image.
            caption: as of an image.
            bins: how many, all of the same width.
        """
        from xpstore._media.histograms import to_histogram  # here, as many programs log none

        self._log_medium(name, to_histogram(values, bins), step, caption)

    def log_text(self, name: str, text: str, step: int | None = None, caption: str | None = None) -> None:
        """Logs a text of up to 1 MiB. The other arguments and what it raises are those of `log_image`."""
        from xpstore._media.texts import to_text_file  # here, as many programs log none

        self._log_medium(name, to_text_file(text), step, caption)

    def log_audio(
        self,
        name: str,
        samples: Any,
        step: int | None = None,
        caption: str | None = None,
        *,
        sample_rate: int | None = None,
    ) -> None:
        """Logs a sound.

        The other arguments and what it raises are those of `log_image`.

        Args:
            name: as of an image.
            samples: an array of numpy, torch or the like of one dimension, or (samples, channels), of floats between -1
                and 1 or of int16, which becomes WAV of 16 bits; or bytes or a path of WAV, MP3, OGG or FLAC.
            step: as of an image.
            caption: as of an image.
            sample_rate: how many samples there are in a second; only for arrays, which need it.
        """
        from xpstore._media.sounds import to_sound  # here, as many programs log none

        self._log_medium(name, to_sound(samples, sample_rate), step, caption)

    def _log_medium(self, name: str, content: "Content", step: int | None, caption: str | None) -> None:
        from xpstore._offline.media_sender import Logged  # here, as many programs log none

        medium = Logged(
            name=to_name("name", name, MAX_LENGTH),
            step=self._step_now() if step is None else to_step("step", step),
            kind=content.kind,
            path=content.path,
            data=content.data,
            caption="" if caption is None else to_free_text("caption", caption),
        )
        self._client.media_sender.log(self._target, self._wire.project_uid, medium)

    def _step_now(self) -> int:
        """The step as this program knows it: asking the server would hold up the training."""
        known = reads.known(self._wire.id)
        return self._wire.step if known is None else known
