"""What a model is called where nobody gave it a name."""

import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from xpstore._values.display_names import ADJECTIVES, NOUNS, display_name
from xpstore.experiment import Experiment
from xpstore.model import Model

pytestmark = pytest.mark.client

SAMPLES = json.loads((Path(__file__).parents[2] / "docs" / "display-names.json").read_text())["names"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["display_name"])
def test_name_is_made_of_the_id_as_documented(sample: dict[str, str]) -> None:
    assert display_name(None, UUID(sample["id"])) == sample["display_name"]
    assert display_name("given", UUID(sample["id"])) == "given"


def test_words_are_short_and_different() -> None:
    assert len(SAMPLES) == 24 == len({sample["display_name"] for sample in SAMPLES})
    for words in (ADJECTIVES, NOUNS):
        assert len(words) == len(set(words)) == 64
        assert all(re.fullmatch("[a-z]{3,7}", word) for word in words)


def test_name_that_was_not_given_stays_none(experiment: Experiment) -> None:
    bare, named = experiment.model("a"), experiment.model("b", "résumé")
    assert bare.name is None and Model.get_by_id(bare.id).name is None
    assert bare.display_name == display_name(None, bare.id) == Model.get_by_id(bare.id).display_name
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d{1,2}", bare.display_name)
    assert named.display_name == "résumé" == named.name
    assert bare.display_name in repr(bare) and "résumé" in repr(named)
    experiment.models.update("b", None)
    assert Model.get_by_id(named.id).display_name == display_name(None, named.id)
    assert list(experiment.models.search("name is null", order_by="hash")) == [bare, named]
