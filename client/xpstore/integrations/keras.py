"""Keras 3: `model.fit(..., callbacks=[KerasCallback(xpstore_model)])`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras.callbacks import Callback

from xpstore.integrations._guard import Guard

if TYPE_CHECKING:
    from xpstore.model import Model

__all__ = ["KerasCallback"]

VALIDATION = "val_"


class KerasCallback(Callback):  # type: ignore[misc]  # Keras need not be installed where this is checked
    """Logs what Keras says after each epoch: "val_loss" is "loss" of the phase "validation", others are of "train".

    Args:
        model: where to.
        batches: also log each so many batches, as phase "batch"; 0 for none. Then Keras waits for their values.

    Example:
        ```python
        network.fit(x, y, epochs=3, validation_split=0.2, callbacks=[KerasCallback(model)])
        ```
    """

    def __init__(self, model: "Model", *, batches: int = 0) -> None:
        super().__init__()
        self._record = model  # `model` is Keras' own
        self._guard = Guard("KerasCallback")
        self._batches = batches
        self._first = self._next = 0
        if batches:  # where the hook is not there Keras computes on while it reports
            self.on_train_batch_end = self._log_batch

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the epoch."""
        with self._guard:
            self._first = self._next
            for name, value in (logs or {}).items():
                is_validation = name.startswith(VALIDATION)
                phase = "validation" if is_validation else "train"
                self._guard.log(self._record, name.removeprefix(VALIDATION), value, epoch, phase)

    def _log_batch(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        with self._guard:
            step = self._first + batch  # Keras begins anew with each epoch
            self._next = step + 1
            if step % self._batches == 0:
                for name, value in (logs or {}).items():
                    self._guard.log(self._record, name, value, step, "batch")
