"""Keras on JAX trains for real: what is logged is what its history says."""

from typing import Any

import pytest

from integrations.trainers import needs, numbers
from xpstore.model import Model

needs("keras", "jax")

import keras  # noqa: E402

from xpstore.integrations.keras import KerasCallback  # noqa: E402

pytestmark = pytest.mark.client


def fit(*callbacks: Any, **options: Any) -> Any:
    x, y = numbers()
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.layers.Dense(1)])
    network.compile(optimizer="sgd", loss="mse", metrics=["mae"])
    return network.fit(x, y, batch_size=40, validation_split=0.25, verbose=0, callbacks=list(callbacks), **options)


def test_points_are_the_history(model: Model) -> None:
    history = fit(KerasCallback(model), epochs=3).history
    assert fit(epochs=3).history == history
    for name in ("loss", "mae"):
        for phase, key in (("train", name), ("validation", f"val_{name}")):
            points = model.metrics.read(name, phase)
            assert list(points.values) == history[key] and list(points.steps) == [0, 1, 2]
    assert model.metrics.names() == ["loss", "mae"]


def test_batches_are_counted_over_epochs(model: Model) -> None:
    fit(KerasCallback(model, batches=2), epochs=3)
    assert list(model.metrics.read("loss", "batch").steps) == [0, 2, 4, 6, 8]


def test_training_goes_on_from_a_later_epoch(model: Model) -> None:
    fit(KerasCallback(model), epochs=4, initial_epoch=2)
    assert list(model.metrics.read("loss", "train").steps) == [2, 3]


def test_without_batches_keras_computes_on_while_it_reports(model: Model) -> None:
    hooks = KerasCallback(model).on_train_batch_end, KerasCallback(model, batches=1).on_train_batch_end
    assert [getattr(hook, "_is_default", False) for hook in hooks] == [True, False]


def test_what_has_no_value_is_left_out(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    log = KerasCallback(model, batches=1)
    log.on_epoch_end(0, {"loss": 0.5, "val_loss": None})
    log.on_epoch_end(1, None)
    log.on_train_batch_end(0, {"loss": None})
    assert [(point.name, point.phase) for point in model.metrics.list()] == [("loss", "train")]
    assert not caplog.messages


def test_interrupt_goes_through(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(model.metrics, "log", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(KerasCallback(model), epochs=1)
