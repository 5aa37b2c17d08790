import json

import numpy as np
import pytest

from matcher.errors import CalibrationFileError
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1
from matcher.scoring import calibration
from matcher.scoring.calibration import Calibration

SCHEME = UK_PERSON_V1


def made(seed=1, records=5000):
    rng = np.random.default_rng(seed)
    return Calibration(SCHEME, records, tuple(rng.integers(0, 1000, field.bits + 1) for field in SCHEME.encoded))


@pytest.fixture
def path(tmp_path):
    made().save(tmp_path / "c.json")
    return tmp_path / "c.json"


def changed(path, change, *, signed=True):
    """Change a file's content, and by default its digest with it."""
    content = json.loads(path.read_text())
    change(content)
    if signed:
        del content["digest"]
        content["digest"] = calibration._digest(content)
    path.write_text(json.dumps(content))


def test_a_file_gives_the_counts_back(path):
    loaded = Calibration.load(path, SCHEME)
    assert (loaded.scheme, loaded.records, loaded.digest) == (SCHEME, 5000, made().digest)
    assert all((a == b).all() for a, b in zip(loaded.counts, made().counts, strict=True))
    assert made(seed=2).digest != made().digest


def test_a_file_holds_counts_and_nothing_else(path):
    content = json.loads(path.read_text())
    assert set(content) == {"format", "scheme", "scheme_digest", "records", "counts", "digest"}
    assert set(content["counts"]) == {field.name for field in SCHEME.encoded}
    assert all(type(count) is int for counts in content["counts"].values() for count in counts)


def test_an_altered_file_is_refused(path):
    changed(path, lambda content: content.update(records=5001), signed=False)
    with pytest.raises(CalibrationFileError, match="changed"):
        Calibration.load(path, SCHEME)


def test_a_file_of_another_version_is_refused(path):
    changed(path, lambda content: content.update(format=2))
    with pytest.raises(CalibrationFileError, match="another version"):
        Calibration.load(path, SCHEME)


def test_a_file_of_another_scheme_is_refused(path):
    changed(path, lambda content: content.update(scheme_digest=GENERIC_PERSON_V1.digest.hex()))
    with pytest.raises(CalibrationFileError, match="another scheme"):
        Calibration.load(path, SCHEME)


def test_negative_counts_are_refused(path):
    changed(path, lambda content: content["counts"]["surname"].__setitem__(3, -1))
    with pytest.raises(CalibrationFileError, match="do not fit"):
        Calibration.load(path, SCHEME)


def test_counts_of_another_length_are_refused(path):
    changed(path, lambda content: content["counts"]["surname"].pop())
    with pytest.raises(CalibrationFileError, match="do not fit"):
        Calibration.load(path, SCHEME)


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"digest": 1}', '{"digest": 1, "counts": 3}', "\x00"])
def test_what_is_no_calibration_file_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(CalibrationFileError, match="no readable"):
        Calibration.load(path, SCHEME)


def test_a_file_that_is_cut_off_missing_or_not_text_is_refused(path):
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"\xff\xfe" + whole):
        path.write_bytes(content)
        with pytest.raises(CalibrationFileError):
            Calibration.load(path, SCHEME)
    with pytest.raises(CalibrationFileError):
        Calibration.load(path.with_name("none.json"), SCHEME)


def test_a_field_that_is_missing_or_no_number_is_refused(path):
    for change in (
        lambda content: content["counts"].pop("surname"),
        lambda content: content["counts"].update(surname=["x"]),
        lambda content: content.update(records="many"),
        lambda content: content.update(records=None),
        lambda content: content["counts"]["surname"].__setitem__(0, 2**70),
    ):
        made().save(path)
        changed(path, change)
        with pytest.raises(CalibrationFileError):
            Calibration.load(path, SCHEME)
