"""AlertService."""

from typing import Any

from sqlalchemy import Row

from xpstore.v1 import alert_pb2 as pb
from xpstore.v1 import alert_pb2_grpc
from xpstore_server.core import alert
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.rpc.fields import a_uuid
from xpstore_server.rpc.paging import Pager
from xpstore_server.store.database import Database

LEVELS = {pb.ALERT_LEVEL_INFO: "info", pb.ALERT_LEVEL_WARNING: "warning", pb.ALERT_LEVEL_ERROR: "error"}
_LEVELS = {text: level for level, text in LEVELS.items()}
_CAUSES = {
    "client": pb.ALERT_CAUSE_CLIENT,
    "metric_nan": pb.ALERT_CAUSE_METRIC_NAN,
    "run_failed": pb.ALERT_CAUSE_RUN_FAILED,
    "run_lost": pb.ALERT_CAUSE_RUN_LOST,
}


class AlertService(alert_pb2_grpc.AlertServiceServicer):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Any) -> pb.ListAlertsResponse:
        match request.WhichOneof("scope"):
            case "model_id":
                scope = alert.Scope(model_id=a_uuid("model_id", request.model_id))
            case "project_uid":
                scope = alert.Scope(project_uid=a_uuid("project_uid", request.project_uid))
            case _:
                raise InvalidArgument("scope", "", "must be model_id or project_uid")
        pager = Pager("alerts", scope.model_id, scope.project_uid, descending=True)
        page = pager.page(request.page_size, request.page_token)
        rows, key = await self._database.read_async(lambda tx: alert.list_page(tx, scope, page))
        return pb.ListAlertsResponse(alerts=map(to_wire, rows), next_page_token=pager.token(key))


def to_wire(row: Row[Any]) -> pb.Alert:
    return pb.Alert(
        id=row.id,
        model_id=row.model_id,
        level=_LEVELS[row.level],
        cause=_CAUSES[row.cause],
        title=row.title,
        text=row.text,
        step=row.step,
        run_id=row.run_id,
        at_us=row.at_us,
        created_at_us=row.created_at_us,
    )
