"""TensorBoard: `from xpstore.integrations.tensorboard import SummaryWriter` in place of torch's or tensorboardX's."""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Self

from xpstore._media.content import Content
from xpstore._media.figures import to_figure
from xpstore._media.images import to_image
from xpstore._media.sounds import to_sound
from xpstore._media.texts import to_text_file
from xpstore._session import current
from xpstore.client import init
from xpstore.errors import NotInitialized
from xpstore.integrations._background import Background
from xpstore.integrations._guard import Guard
from xpstore.integrations._tensors import close_figure, grid_of, histogram_of, pixels_of, samples_of
from xpstore.project import Project, get_project

if TYPE_CHECKING:
    from xpstore.model import Model

__all__ = ["SummaryWriter"]

log = logging.getLogger("xpstore")

PHASES = ("train", "training", "val", "valid", "validation", "test", "eval")
NOT_STORED = {
    "add_custom_scalars",
    "add_custom_scalars_marginchart",
    "add_custom_scalars_multilinechart",
    "add_embedding",
    "add_graph",
    "add_histogram_raw",
    "add_image_with_boxes",
    "add_mesh",
    "add_onnx_graph",
    "add_pr_curve",
    "add_pr_curve_raw",
    "add_tensor",
    "add_video",
}
# Of media that wait for their model to be made.
MOST_HELD_BYTES = 256 << 20


class SummaryWriter:
    """Has the methods of TensorBoard's, and logs to a model: the last part of `log_dir`, of the experiment before it.

    A tag with a phase at its end or start, "loss/train" or "train/loss", is the metric "loss" of that phase; any other
    is the metric's name as it is. The project is the current one; a program that says no more of xpstore than this
    takes `XPSTORE_API_KEY`, `XPSTORE_API_URL` and `XPSTORE_PROJECT`. What cannot be stored is said once, never raised.

    Args:
        log_dir: such as "runs/lr 0.1"; by default "runs/" with the time and the host.
        comment: added to that default.
        purge_step: not used, as are the next three: say `model.rewind(step)`.
        max_queue: not used.
        flush_secs: not used.
        filename_suffix: not used.
        model: where to, in place of `log_dir`.

    Raises:
        Error: at the start alone: what `init()` raises, if nobody called it, and NoProject.

    Example:
        ```python
        with SummaryWriter("runs/first") as writer:
            writer.add_scalar("loss/train", 0.5, global_step=1)
        ```
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
        *,
        model: "Model | None" = None,
    ) -> None:
        now = time.strftime("%b%d_%H-%M-%S")
        self.log_dir = os.fspath(log_dir) if log_dir else f"runs/{now}_{socket.gethostname()}{comment}"
        self._guard = Guard("SummaryWriter")
        self._said: set[str] = set()
        self._held_bytes = 0
        self._tags: dict[str, tuple[str, str | None]] = {}
        self._model = model
        self._project = None if model is not None else _session_project()
        client = model._client if model is not None else self._project._client  # type: ignore[union-attr]
        self._background = Background("SummaryWriter", self._guard, client)
        if model is None:
            self._background.add(self._made)
        if purge_step is not None:
            self._say_once("purge_step", "model.rewind(step) removes what is after a step")

    def _made(self) -> "Model":
        if self._model is None:
            assert self._project is not None
            path = PurePath(os.path.normpath(self.log_dir))
            parent = path.parent.as_posix()
            self._model = self._project.experiment("runs" if parent == "." else parent).model(path.name)
        return self._model

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Logs a number. `walltime` is not kept; the last two change nothing: numbers are stored as they are."""
        self._log(tag, scalar_value, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Logs several numbers, each as "MAIN_TAG/TAG"."""
        with self._guard:
            for tag, value in tag_scalar_dict.items():
                self._log(f"{main_tag}/{tag}", value, global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Logs text. Media, of which this is one, have the whole tag as their name."""
        self._show(tag, lambda: to_text_file(text_string), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Logs an image. Floats beyond 0 and 1 are cut off there, as TensorBoard does."""
        self._show(tag, lambda: to_image(pixels_of(img_tensor, dataformats)), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Logs several images as one, side by side."""
        self._show(tag, lambda: to_image(grid_of(img_tensor, dataformats)), global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Logs one figure or several, and closes them unless told not to."""
        for one in figure if isinstance(figure, (list, tuple)) else [figure]:
            self._show(tag, lambda one=one: to_figure(one), global_step, walltime)  # type: ignore[misc]
            if close:
                with self._guard:
                    close_figure(one)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Logs a histogram, with bins of the same width unless `bins` are their edges."""
        self._show(tag, lambda: histogram_of(values, bins, max_bins), global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44_100,
        walltime: float | None = None,
    ) -> None:
        """Logs a sound. Samples beyond -1 and 1 are cut off there, as TensorBoard does."""
        self._show(tag, lambda: to_sound(samples_of(snd_tensor), sample_rate), global_step, walltime)

    def _show(self, tag: str, make: Callable[[], Content], step: int | None, walltime: float | None) -> None:
        with self._guard:
            if walltime is not None:
                self._say_once("walltime", "a medium has the time at which it is stored")
            content = make()  # now: a tensor may be another when its turn comes
            if self._model is None and self._held_bytes + len(content.data) > MOST_HELD_BYTES:
                self._say_once(f"{tag} and more media", "the model is not made yet, and memory holds no more of them")
                return
            self._held_bytes += len(content.data)
            self._do(lambda: self._log_content(tag, content, step))

    def _log_content(self, tag: str, content: Content, step: int | None) -> None:
        model = self._made()
        self._held_bytes -= len(content.data)
        with self._guard:
            model._log_medium(tag, content, step, None)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Logs hyperparameters as the module "hparams" of this model, and metrics as points of it.

        It makes no other model, whatever `run_name` is.
        """
        with self._guard:
            hparams = dict(hparam_dict)
            self._do(lambda: self._made().modules.log("hparams", hparams))
            for tag, value in metric_dict.items():
                self._log(tag, value, global_step, None)

    def _log(self, tag: str, value: Any, step: int | None, walltime: float | None) -> None:
        with self._guard:
            if walltime is not None:
                self._say_once("walltime", "a point has the time at which it is logged")
            name, phase = self._tags.get(tag) or self._named(tag)
            if callable(getattr(value, "item", None)):
                value = value.item()  # now: a tensor may be another when its turn comes
            self._do(lambda: self._guard.log(self._made(), name, value, step, phase))

    def _do(self, job: Callable[[], object]) -> None:
        (self._background.add if self._model is None else self._background.do)(job)

    def _named(self, tag: str) -> tuple[str, str | None]:
        first, _, rest = tag.partition("/")
        head, _, last = tag.rpartition("/")
        found: tuple[str, str | None] = (tag, None)
        if head and last.lower() in PHASES:
            found = head, last.lower()
        elif rest and first.lower() in PHASES:
            found = rest, first.lower()
        # "loss/train" beside "train/loss", or "a/Train": the second keeps its tag, so that no series is of two tags.
        self._tags[tag] = (tag, None) if found in self._tags.values() else found
        return self._tags[tag]

    def __getattr__(self, name: str) -> Any:
        if name not in NOT_STORED:
            raise AttributeError(f"SummaryWriter has no {name!r}")
        return lambda *_, **__: self._say_once(name, "DatasetArtifact.save and DirectoryArtifact.save keep files")

    def _say_once(self, what: str, cure: str) -> None:
        with self._guard:
            if what not in self._said:
                self._said.add(what)
                log.warning("SummaryWriter: %s is not stored: %s. This is said once.", what, cure)

    def get_logdir(self) -> str:
        """The folder's name. There is no such folder."""
        return self.log_dir

    def flush(self) -> None:
        """Has what was logged sent now, and does not wait for it: it is kept on this machine already."""
        with self._guard:
            if self._model is not None:
                self._model._client.recorder.hurry()

    def close(self) -> None:
        """Waits for the model to be made, for ten seconds, two if the server is away."""
        with self._guard:
            self._background.flush()
            self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _session_project() -> Project:
    try:
        current.get_client()
    except NotInitialized:
        init()
    project: Project = get_project()
    return project
