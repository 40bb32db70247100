"""Many models made at once: as many in a call as it takes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from xpstore._session.client import ClientBase
from xpstore._values.new_models import Whole, at, batches, positions_from, to_whole
from xpstore.errors import ServerFault
from xpstore.v1 import model_pb2 as pb


def create(
    client: ClientBase, experiment_id: str, models: Iterable[Any], *, allow_existing: bool
) -> Iterator[tuple[Whole, pb.Model]]:
    """Yields what was asked for and what came of it, in the order of the models; all are looked at first.

    Offline each is made as `create` makes it, and what is recorded of it is left to be logged.
    """
    is_offline = client.offline is not None
    every = [to_whole(position, one, has_room=not is_offline) for position, one in enumerate(models)]
    if is_offline:
        for position, one in enumerate(every):
            with at(position):
                yield one, _create(client, experiment_id, one.wire, allow_existing)
        return
    for start, some in batches(every):
        done = 0
        while done < len(some):  # an answer has as many as fit into a message
            with positions_from(start + done):
                wires = _create_some(client, experiment_id, some[done:], allow_existing)
            yield from zip(some[done:], wires, strict=False)
            done += len(wires)


def _create_some(client: ClientBase, experiment_id: str, some: Sequence[Whole], allow_existing: bool) -> list[pb.Model]:
    request = pb.CreateModelsRequest(
        experiment_id=experiment_id, models=[one.wire for one in some], allow_existing=allow_existing
    )
    answer = client.call(client.stubs.models.CreateModels, request)
    if not answer.models:
        raise ServerFault("The server said nothing of the models that it was to create.")
    return [one.model for one in answer.models]


def _create(client: ClientBase, experiment_id: str, new: pb.NewModel, allow_existing: bool) -> pb.Model:
    request = pb.CreateModelRequest(experiment_id=experiment_id, allow_existing=allow_existing)
    for one, value in new.ListFields():
        if one.is_repeated:
            getattr(request, one.name).extend(value)
        else:
            setattr(request, one.name, value)
    return client.call(client.stubs.models.CreateModel, request).model
