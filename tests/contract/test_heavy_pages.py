"""A page of any list ends before a message is full, however heavy its rows, and nothing is left out."""

import json
from typing import Any

import xpstore
from support.contract.plain_client import PlainClient, new_id
from support.raw_cache import RawCache, fingerprint_of, new_token, part_of
from xpstore.v1 import artifact_pb2 as pb

# Of what is heaviest in a row: more than four messages of 4 MiB in all, which is what clients take by default.
HEAVY_JSON = json.dumps({"text": "x" * 900_000})
ROWS_OF_JSON = 10
TEXT = "\U0001f600" * 16_384
TAGS = [f"{number:03}" + "t" * 250 for number in range(250)]
ROWS_OF_TEXT = 70


def rows(client: PlainClient, method: str, field: str, **request: Any) -> list[Any]:
    """All rows of a list, which came on several pages: a channel refuses what is over 4 MiB."""
    found, token, pages = list[Any](), "", 0
    while pages == 0 or token:
        answer = client(method, **request, page_size=1_000, page_token=token)
        found += getattr(answer, field)
        token, pages = answer.next_page_token, pages + 1
    assert pages > 1
    return found


def test_modules_with_heavy_attributes(plain: PlainClient, model: str) -> None:
    iteration = plain("CreateIteration", model_id=model, iteration_id=new_id(), step=3).iteration.id
    made = {}
    for kind, id_ in (("model_id", model), ("iteration_id", iteration)):
        made[kind] = [
            plain(
                "CreateModule", **{kind: id_}, module_id=new_id(), name=f"m{number}", attributes_json=HEAVY_JSON
            ).module.id
            for number in range(ROWS_OF_JSON)
        ]
        found = rows(plain, "ListModules", "modules", **{kind: id_})
        assert sorted(one.id for one in found) == sorted(made[kind]) and found[0].attributes_json == HEAVY_JSON
    newest = rows(plain, "ListNewestModules", "modules", model_ids=[model])
    assert sorted(one.id for one in newest) == sorted(made["model_id"])


def test_points_with_heavy_values(plain: PlainClient, model: str) -> None:
    for _ in range(ROWS_OF_JSON):
        plain("LogMetrics", model_id=model, writer_id=new_id(), points=[{"name": "n", "json_value": HEAVY_JSON}])
    found = rows(plain, "ListMetrics", "metrics", model_id=model)
    assert [one.point.json_value for one in found] == [HEAVY_JSON] * ROWS_OF_JSON


def test_runs_with_heavy_environments(plain: PlainClient, model: str) -> None:
    made = [
        plain("CreateRun", model_id=model, run_id=new_id(), environment={"packages_json": HEAVY_JSON}).run.id
        for _ in range(ROWS_OF_JSON)
    ]
    assert sorted(one.id for one in rows(plain, "ListRuns", "runs", model_id=model)) == sorted(made)


def test_experiments_with_long_descriptions_and_many_tags(plain: PlainClient, uid: str) -> None:
    heavy: dict[str, Any] = {"project_uid": uid, "description": TEXT, "tags": TAGS}
    made = [
        plain("CreateExperiment", **heavy, experiment_id=new_id(), name=f"e{number}").experiment.id
        for number in range(ROWS_OF_TEXT)
    ]
    assert sorted(one.id for one in rows(plain, "ListExperiments", "experiments", project_uid=uid)) == sorted(made)


def test_projects_with_long_descriptions_and_many_tags(plain: PlainClient) -> None:
    heavy: dict[str, Any] = {"description": TEXT, "tags": TAGS}
    made = [
        plain("CreateProject", **heavy, project_id=f"heavy {new_id()}", name="p", creation_id=new_id()).project.uid
        for _ in range(ROWS_OF_TEXT)
    ]
    assert set(made) <= {one.uid for one in rows(plain, "ListProjects", "projects")}
    for project_uid in made:
        plain("DeleteProject", project_uid=project_uid)


def test_cache_entries_with_large_processes(plain: PlainClient, project: xpstore.Project) -> None:
    cache = RawCache(project._client, project.uid)
    made = []
    for number in range(30):
        parts = [part_of(f"{place:04}" + "n" * 500, "v") for place in range(400)]
        process = pb.ArtifactProcess(name=f"f{number}", parts=parts)
        made.append(fingerprint_of(process))
        token = new_token()
        assert cache.reserve(made[-1], token).HasField("granted")
        cache.commit(made[-1], token, process=process, name=f"result {number}")
    found = rows(plain, "ListCacheEntries", "entries", project_uid=project.uid)
    assert sorted(one.fingerprint for one in found) == sorted(made)
