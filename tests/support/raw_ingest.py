"""Ingest spoken by hand, like `raw` speaks the artifact protocol."""

import struct
from typing import Any

from xpstore.client import Client
from xpstore.v1 import ingest_pb2 as pb
from xpstore.v1 import metric_pb2


def integers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def places(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def send(
    client: Client, project_uid: str, writer: str, first: int, count: int, *models: pb.ModelRecords
) -> pb.IngestResponse:
    request = batch(project_uid, writer, first, count, *models)
    return client.call(client.stubs.ingest.Ingest, request)


def batch(project_uid: str, writer: str, first: int, count: int, *models: pb.ModelRecords) -> pb.IngestRequest:
    return pb.IngestRequest(
        project_uid=project_uid, writer_id=writer, first_record=first, record_count=count, models=models
    )


def plain(record: int, name: str, value: float, **more: Any) -> pb.PointRecord:
    return pb.PointRecord(record=record, point=metric_pb2.MetricPoint(name=name, float_value=value, **more))
