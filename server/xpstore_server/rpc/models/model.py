"""ModelService: models and modules."""

from functools import partial
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import model_pb2 as pb
from xpstore.v1 import model_pb2_grpc, search_pb2
from xpstore_server.auth import principal
from xpstore_server.core import limits, model, model_step, module
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.ingesting import whole_models
from xpstore_server.core.paging import weigh
from xpstore_server.core.search import fields, groups, query
from xpstore_server.rpc.fields import (
    a_hash,
    a_json_object,
    a_name,
    a_step,
    a_text,
    a_time,
    a_uuid,
    if_set,
    masked,
    tags_of,
)
from xpstore_server.rpc.models.model_wire import module_to_wire, to_wire
from xpstore_server.rpc.models.whole_models import created_to_wire, whole_models_of
from xpstore_server.rpc.paging import Pager
from xpstore_server.rpc.piecewise import removed
from xpstore_server.rpc.search_wire import group_to_wire, row_to_wire, some_columns, summary_to_wire
from xpstore_server.store.database import SEARCH_SECONDS, Database
from xpstore_server.store.transaction import Transaction

# A longer filter and order takes tens of milliseconds to be made a query of.
LONG_SEARCH = 500


class ModelService(model_pb2_grpc.ModelServiceServicer):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateModel(self, request: pb.CreateModelRequest, context: Any) -> pb.CreateModelResponse:
        who = principal()
        new = model.NewModel(
            experiment_id=a_uuid("experiment_id", request.experiment_id),
            id=a_uuid("model_id", request.model_id),
            hash=a_hash("hash", request.hash),
            name=if_set(request, "name", a_name),
            description=if_set(request, "description", a_text),
            config_json=a_json_object("config_json", request.config_json),
            tags=tags_of("tags", request.tags),
            created_at_us=if_set(request, "created_at_us", a_time),
        )
        row, created = await self._database.write_async(
            lambda tx: model.create(tx, who, new, allow_existing=request.allow_existing)
        )
        return pb.CreateModelResponse(model=to_wire(row), created=created)

    async def CreateModels(self, request: pb.CreateModelsRequest, context: Any) -> pb.CreateModelsResponse:
        new = await self._database.call_async(whole_models_of, request)
        create = partial(whole_models.create, principal=principal(), allow_existing=request.allow_existing)
        made, weight = list[tuple[Row[Any], bool]](), 0
        for piece in whole_models.pieces(new):
            some = await self._database.write_async(partial(create, new=piece))
            made += some
            weight += sum(weigh(row) for row, _ in some)
            if len(some) < len(piece) or weight > limits.PAGE_BYTES:
                break
        return await self._database.call_async(created_to_wire, made)

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        match request.WhichOneof("key"):
            case "model_id":
                id_ = a_uuid("model_id", request.model_id)
                row = await self._database.read_async(lambda tx: model.get(tx, id_))
            case "model_hash":
                experiment_id = a_uuid("model_hash.experiment_id", request.model_hash.experiment_id)
                hash_ = a_hash("model_hash.hash", request.model_hash.hash)
                row = await self._database.read_async(
                    lambda tx: model.get_by_hash(tx, experiment_id=experiment_id, hash_=hash_)
                )
            case _:
                raise InvalidArgument("key", "", "must be model_id or model_hash")
        return pb.GetModelResponse(model=to_wire(row))

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        place = _place(request)
        # Of live models of an experiment as servers before this knew it.
        named = ["project", place.project_uid] if place.experiment_id is None else [place.experiment_id]
        pager = Pager("models", *named, *["deleted"] * place.is_deleted)
        page = pager.page(request.page_size, request.page_token)
        rows, key = await self._database.read_async(lambda tx: model.list_page(tx, place, page))
        return pb.ListModelsResponse(models=map(to_wire, rows), next_page_token=pager.token(key))

    async def SearchModels(self, request: pb.SearchModelsRequest, context: Any) -> pb.SearchModelsResponse:
        texts, scope = {"filter": request.filter, "order_by": request.order_by}, _scope(request)
        if not 0 <= request.skip <= limits.SKIP:
            fix = f"must be 0 to {limits.SKIP}"
            raise InvalidArgument("skip", request.skip, fix, limit="max_skip", expected=limits.SKIP)
        pager = Pager("search", scope, texts, *request.columns)
        page = pager.page(request.page_size, request.page_token)

        def unit(tx: Transaction) -> pb.SearchModelsResponse:  # long filters take time to read
            asked = query.Query.parse(**scope, **texts)
            if request.with_total:
                asked = query.resolved(tx, asked)
            answer = pb.SearchModelsResponse(now_us=tx.now_us())
            if request.columns:
                fields = some_columns("columns", request.columns, limits.COLUMNS, "max_columns")
                rows, key = query.find_cells(tx, asked, page, fields, request.skip)
                answer.rows.extend(row_to_wire(*row) for row in rows)
            else:
                models, key = query.find(tx, asked, page, request.skip)
                answer.models.extend(map(to_wire, models))
            answer.next_page_token = pager.token(key)
            if request.with_total:
                answer.total_count = query.count(tx, asked)
            return answer

        is_heavy = len(request.filter) + len(request.order_by) > LONG_SEARCH
        return await self._database.read_async(unit, SEARCH_SECONDS, is_heavy=is_heavy)

    async def ListFields(self, request: search_pb2.ListFieldsRequest, context: Any) -> search_pb2.ListFieldsResponse:
        scope = _scope(request)
        pager = Pager("fields", scope, request.contains)
        page = pager.page(request.page_size, request.page_token)

        def unit(tx: Transaction) -> search_pb2.ListFieldsResponse:
            found, key = fields.list_fields(tx, fields.Scope.of(tx, **scope), request.contains, page)
            return search_pb2.ListFieldsResponse(fields=map(summary_to_wire, found), next_page_token=pager.token(key))

        return await self._database.read_async(unit, SEARCH_SECONDS)

    async def AggregateModels(
        self, request: search_pb2.AggregateModelsRequest, context: Any
    ) -> search_pb2.AggregateModelsResponse:
        scope = _scope(request)

        def unit(tx: Transaction) -> search_pb2.AggregateModelsResponse:
            asked = query.Query.parse(**scope, filter=request.filter, order_by="")
            by, told = (
                some_columns(name, getattr(request, name), limits.ORDER_KEYS, "max_order_fields")
                for name in ("group_by", "fields")
            )
            found = groups.aggregate(tx, asked, by, told)
            return search_pb2.AggregateModelsResponse(
                groups=map(group_to_wire, found.largest), group_count=found.groups, model_count=found.models
            )

        return await self._database.read_async(unit, SEARCH_SECONDS, is_heavy=True)

    async def UpdateModel(self, request: pb.UpdateModelRequest, context: Any) -> pb.UpdateModelResponse:
        who = principal()
        id_ = a_uuid("model_id", request.model_id)
        values = {
            "name": if_set(request, "name", a_name),
            "description": if_set(request, "description", a_text),
            "step": a_step("step", request.step),
        }
        changes = {field: values[field] for field in masked(request.update_mask, *values)}
        row = await self._database.write_async(
            lambda tx: model.change(tx, who, model_id=id_, changes=changes, etag=request.etag)
        )
        return pb.UpdateModelResponse(model=to_wire(row))

    async def AdvanceModel(self, request: pb.AdvanceModelRequest, context: Any) -> pb.AdvanceModelResponse:
        who = principal()
        ids = {"model_id": a_uuid("model_id", request.model_id), "advance_id": a_uuid("advance_id", request.advance_id)}
        after = await self._database.write_async(lambda tx: model_step.advance(tx, who, **ids, delta=request.delta))
        return pb.AdvanceModelResponse(step=after)

    async def RewindModel(self, request: pb.RewindModelRequest, context: Any) -> pb.RewindModelResponse:
        who = principal()
        id_ = a_uuid("model_id", request.model_id)
        to_step = a_step("step", request.step)
        answer = pb.RewindModelResponse()
        rewind = partial(model_step.rewind, principal=who, model_id=id_, step=to_step)
        while not answer.HasField("model"):
            rewound = await self._database.write_async(rewind)
            answer.removed_points += rewound.removed_points
            answer.removed_iterations += rewound.removed_iterations
            if rewound.model is not None:
                answer.model.CopyFrom(to_wire(rewound.model))
        return answer

    async def UpdateModelTags(self, request: pb.UpdateModelTagsRequest, context: Any) -> pb.UpdateModelTagsResponse:
        who = principal()
        id_ = a_uuid("model_id", request.model_id)
        add, remove = tags_of("add", request.add), tags_of("remove", request.remove)
        if both := set(add) & set(remove):
            raise InvalidArgument("remove", min(both), "must not be in `add` too")
        tags = await self._database.write_async(
            lambda tx: model.change_tags(tx, who, model_id=id_, add=add, remove=remove)
        )
        return pb.UpdateModelTagsResponse(tags=tags)

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Any) -> pb.DeleteModelResponse:
        who = principal()
        id_ = a_uuid("model_id", request.model_id)
        deleted = await self._database.write_async(lambda tx: model.delete(tx, who, id_))
        return pb.DeleteModelResponse(deleted=deleted)

    async def UndeleteModel(self, request: pb.UndeleteModelRequest, context: Any) -> pb.UndeleteModelResponse:
        who = principal()
        id_ = a_uuid("model_id", request.model_id)
        row = await self._database.write_async(lambda tx: model.undelete(tx, who, id_))
        return pb.UndeleteModelResponse(model=to_wire(row))

    async def CreateModule(self, request: pb.CreateModuleRequest, context: Any) -> pb.CreateModuleResponse:
        owner = _owner(request)
        new = module.NewModule(
            a_uuid("module_id", request.module_id),
            a_name("name", request.name),
            a_json_object("attributes_json", request.attributes_json),
        )
        row = await self._database.write_async(lambda tx: module.create(tx, owner, new))
        return pb.CreateModuleResponse(module=module_to_wire(row))

    async def ListModules(self, request: pb.ListModulesRequest, context: Any) -> pb.ListModulesResponse:
        owner = _owner(request)
        pager = Pager("modules", owner.model_id, owner.iteration_id)
        page = pager.page(request.page_size, request.page_token)
        rows, key = await self._database.read_async(lambda tx: module.list_page(tx, owner, page))
        return pb.ListModulesResponse(modules=map(module_to_wire, rows), next_page_token=pager.token(key))

    async def ListNewestModules(
        self, request: pb.ListNewestModulesRequest, context: Any
    ) -> pb.ListNewestModulesResponse:
        if len(request.model_ids) > limits.IDS:
            raise InvalidArgument("model_ids", len(request.model_ids), f"must be at most {limits.IDS}")
        ids = [a_uuid(f"model_ids[{number}]", id_) for number, id_ in enumerate(request.model_ids)]
        pager = Pager("newest modules", *ids)
        page = pager.page(request.page_size, request.page_token)
        rows, key = await self._database.read_async(lambda tx: module.list_newest(tx, ids, page))
        return pb.ListNewestModulesResponse(modules=map(module_to_wire, rows), next_page_token=pager.token(key))

    async def DeleteModule(self, request: pb.DeleteModuleRequest, context: Any) -> pb.DeleteModuleResponse:
        id_ = a_uuid("module_id", request.module_id)
        deleted = await self._database.write_async(lambda tx: module.delete(tx, id_))
        return pb.DeleteModuleResponse(deleted=deleted)

    async def ClearModules(self, request: pb.ClearModulesRequest, context: Any) -> pb.ClearModulesResponse:
        owner = _owner(request)
        count = await removed(self._database, lambda tx: module.clear_some(tx, owner))
        return pb.ClearModulesResponse(deleted_count=count)


def _owner(request: pb.CreateModuleRequest | pb.ListModulesRequest | pb.ClearModulesRequest) -> module.Owner:
    match request.WhichOneof("parent"):
        case "model_id":
            return module.Owner(model_id=a_uuid("model_id", request.model_id))
        case "iteration_id":
            return module.Owner(iteration_id=a_uuid("iteration_id", request.iteration_id))
        case _:
            raise InvalidArgument("parent", "", "must be model_id or iteration_id")


def _place(request: pb.ListModelsRequest) -> model.Place:
    """What to list."""
    if not request.project_uid:
        return model.Place(a_uuid("experiment_id", request.experiment_id), is_deleted=request.deleted)
    if request.experiment_id:
        raise InvalidArgument("project_uid", request.project_uid, "must not be set where experiment_id is")
    return model.Place(project_uid=a_uuid("project_uid", request.project_uid), is_deleted=request.deleted)


def _scope(request: Any) -> dict[str, str]:
    """Where to search."""
    match request.WhichOneof("scope"):
        case "project_uid":
            return {"project_uid": a_uuid("project_uid", request.project_uid)}
        case "experiment_id":
            return {"experiment_id": a_uuid("experiment_id", request.experiment_id)}
    raise InvalidArgument("scope", "", "must be project_uid or experiment_id")
