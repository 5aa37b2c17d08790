import json
from dataclasses import replace

import numpy as np
import pytest

from matcher.errors import ModelFileError
from matcher.scheme import GENERIC_PERSON_V1, SCHEMES, UK_PERSON_V1
from matcher.scoring.model import MatchModel
from tests import factory


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_every_scheme_ships_a_model(scheme):
    model = MatchModel.shipped(scheme)
    assert model.provenance["records"] == "100000"
    assert {rival.name for rival in model.rivals} == {"household", "twin"}
    for field, table in zip(scheme.fields, model.tables, strict=True):
        assert table[0] >= 0, field.name
        assert table[-1] < 0 or not field.bits, field.name


def test_a_file_gives_the_model_back(tmp_path):
    model = factory.model()
    model.save(tmp_path / "m.json")
    loaded = MatchModel.load(tmp_path / "m.json", UK_PERSON_V1)
    assert loaded.digest == model.digest
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(loaded.tables, model.tables, strict=True))


def test_an_altered_file_is_refused(tmp_path):
    path = tmp_path / "m.json"
    factory.model().save(path)
    content = json.loads(path.read_text())
    content["tables"]["sex"][0] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match="changed"):
        MatchModel.load(path, UK_PERSON_V1)


def test_a_model_of_another_scheme_is_refused(tmp_path):
    factory.model().save(tmp_path / "m.json")
    with pytest.raises(ModelFileError, match="another scheme"):
        MatchModel.load(tmp_path / "m.json", GENERIC_PERSON_V1)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"digest": 1}', "\x00"])
def test_what_is_no_model_file_is_refused(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ModelFileError):
        MatchModel.load(tmp_path / "m.json", UK_PERSON_V1)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError):
        MatchModel.load(tmp_path / "none.json", UK_PERSON_V1)


def test_weights_must_never_rise_with_distance():
    model = factory.model()
    with pytest.raises(ModelFileError, match="never rise"):
        replace(model, tables=(model.tables[0][::-1], *model.tables[1:]))
    with pytest.raises(ModelFileError, match="65 weights"):
        replace(model, tables=(model.tables[0][1:], *model.tables[1:]))
