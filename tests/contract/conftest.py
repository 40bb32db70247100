"""Fixtures of the tests of the contract."""

from collections.abc import Iterator

import pytest

from support.contract.methods import ROOT
from support.contract.plain_client import PlainClient, new_id
from support.services import Server


@pytest.fixture
def old(server: Server) -> Iterator[PlainClient]:
    """A client generated from the contract of 0.1."""
    image = (ROOT / "tests" / "contracts" / "0.1.binpb").read_bytes()
    with PlainClient(image, server.address, server.api_key) as client:
        yield client


@pytest.fixture
def plain(server: Server) -> Iterator[PlainClient]:
    """A client generated from the contract of today, in whatever language."""
    with PlainClient((ROOT / "proto" / "xpstore.binpb").read_bytes(), server.address, server.api_key) as client:
        yield client


@pytest.fixture
def uid(old: PlainClient) -> str:
    """A new project."""
    made = old("CreateProject", project_id=f"plain {new_id()}", name="p", creation_id=new_id())
    return str(made.project.uid)


@pytest.fixture
def model(old: PlainClient, uid: str) -> str:
    """A model of it."""
    made = old("CreateExperiment", project_uid=uid, experiment_id=new_id(), name="e").experiment
    return str(old("CreateModel", experiment_id=made.id, model_id=new_id(), hash="h", tags=["a"]).model.id)
