"""The rules of the design that a machine can check, on the source itself."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from matcher import errors
from matcher.errors import MatcherError
from matcher.model import AlertKind, CaseState, ConfidenceBand, EvidenceBand, Resolution
from matcher.service.status import status_of
from matcher.v1 import alert_service_pb2, case_service_pb2
from matcher.v1.errors_pb2 import ErrorReason

ROOT = Path(__file__).parent.parent
MOST_LINES = 400
FORBIDDEN_NAMES = {"utils", "util", "misc", "manager", "core", "helpers"}


def modules(*folders: str) -> list[Path]:
    """Python files of some folders, without the generated ones."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in found if "v1" not in path.parts]


OURS = modules("matcher", "benchmarks")
MATCHER = modules("matcher")


def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def imports(path: Path) -> Iterator[str]:
    """Names of the modules a file imports, anywhere in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def under(path: Path, *folders: str) -> bool:
    return any(path.is_relative_to(f"matcher/{folder}") or path == Path(f"matcher/{folder}.py") for folder in folders)


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", OURS, ids=str)
def test_a_module_is_short_and_says_what_it_is(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= MOST_LINES
    assert ast.get_docstring(tree(path))
    assert path.stem not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", [path for path in MATCHER if not under(path, "cli")], ids=str)
def test_only_the_command_line_prints(path: Path) -> None:
    called = {
        node.func.id for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"print", "input", "breakpoint"}
    assert "click" not in imports(path)


def test_compiled_loops_live_in_files_named_kernels() -> None:
    packages = {path: {name.split(".")[0] for name in imports(path)} for path in MATCHER}
    assert {path.name for path in MATCHER if "numba" in packages[path]} == {"kernels.py"}


def test_sql_stays_in_the_store() -> None:
    assert all(under(path, "store") for path in MATCHER if "apsw" in imports(path))


def test_grpc_stays_at_the_edges() -> None:
    at = [path for path in MATCHER if any(name.split(".")[0] in ("grpc", "google") for name in imports(path))]
    edges = ("wire", "rpc", "service", "agency/client", "agency/push", "coordinator/client", "cli")
    assert all(under(path, *edges) for path in at)


def test_the_linkage_key_is_read_on_the_agencys_side_only() -> None:
    keys = {"matcher.agency.keys", "matcher.agency"}
    assert all(under(path, "agency", "cli", "linking") for path in MATCHER if keys & set(imports(path)))


def test_unfinished_work_is_not_marked_in_the_source() -> None:
    for path in [*OURS, *modules("tests")]:
        words = set((ROOT / path).read_text().replace(":", " ").split())
        if path != Path("tests/test_architecture.py"):
            assert not words & {"TODO", "FIXME", "XXX", "HACK"}, path


# -- errors ----------------------------------------------------------------------------------------------------------


def exceptions(base: type[MatcherError] = MatcherError) -> Iterator[type[MatcherError]]:
    for sub in base.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield sub
            yield from exceptions(sub)


EXCEPTIONS = list(exceptions())
REASONS = [value.name for value in ErrorReason.DESCRIPTOR.values if value.number]
CODES = {
    "INTERNAL": "INTERNAL",
    "INVALID_ARGUMENT": "WRONG_STRIDE BAD_TOKEN FLOODING_TOKEN DUPLICATE_ALIAS BAD_DAY INVALID_ARGUMENT",
    "RESOURCE_EXHAUSTED": "OVERSIZE_BATCH STORE_FULL QUOTA_EXCEEDED",
    "FAILED_PRECONDITION": "SCHEME_MISMATCH UNKNOWN_EPOCH GREEN_AND_BLUE_REQUIRED CASE_STATE NUMBERS_USED_UP",
    "OUT_OF_RANGE": "OFFSET_GAP ACKNOWLEDGE_AHEAD",
    "ALREADY_EXISTS": "OFFSET_COMMITTED REQUEST_REUSED",
    "PERMISSION_DENIED": "PERMISSION_DENIED",
    "UNAUTHENTICATED": "UNKNOWN_CALLER",
    "NOT_FOUND": "NOT_FOUND",
    "ABORTED": "CONSUMER_FENCED",
    "UNAVAILABLE": "STORE_UNAVAILABLE AUDIT_UNAVAILABLE",
    "UNIMPLEMENTED": "UNKNOWN_METHOD",
}
"""What errors.proto says, by code."""


def test_every_reason_of_the_contract_has_an_exception_and_every_exception_a_reason() -> None:
    assert {exception.REASON for exception in (MatcherError, *EXCEPTIONS)} == set(REASONS)
    own = [exception.REASON for exception in EXCEPTIONS if "REASON" in vars(exception)]
    assert len(own) == len(set(own)), "two exceptions have one reason"


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_the_code_the_contract_gives(reason: str) -> None:
    [code] = [code for code, reasons in CODES.items() if reason.removeprefix("ERROR_REASON_") in reasons.split()]
    comment = contract_comment(reason)
    assert comment.startswith(f"{code}: "), comment
    exception = next((each for each in EXCEPTIONS if vars(each).get("REASON") == reason), MatcherError)
    made = exception.__new__(exception)
    Exception.__init__(made, "a place and a reason")
    made.__dict__.update(column="aliases", field="flags", expected=7, quota="records_per_day", limit=7)
    assert status_of(made).code is grpc.StatusCode[code]


def contract_comment(reason: str) -> str:
    """What the contract says above a reason."""
    lines = (ROOT / "proto/matcher/v1/errors.proto").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{reason} ="))
    start = at
    while lines[start - 1].strip().startswith("//"):
        start -= 1
    return " ".join(line.strip().removeprefix("//").strip() for line in lines[start:at])


@pytest.mark.parametrize("exception", EXCEPTIONS, ids=lambda each: each.__name__)
def test_every_exception_gives_advice(exception: type[MatcherError]) -> None:
    advice = exception.__new__(exception).advice()
    assert len(advice) > 20
    assert "\n" not in advice
    assert exception.__name__.endswith("Error")


def test_what_is_no_matcher_error_says_nothing_of_itself() -> None:
    status = status_of(ValueError("Quixotterby"))
    assert status.code is grpc.StatusCode.INTERNAL
    assert "Quixotterby" not in status.details + str(status.trailing_metadata)


# -- the contract and the model --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (AlertKind, alert_service_pb2.AlertKind),
        (ConfidenceBand, alert_service_pb2.ConfidenceBand),
        (EvidenceBand, alert_service_pb2.EvidenceBand),
        (Resolution, alert_service_pb2.Resolution),
        (CaseState, case_service_pb2.CaseState),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_numbers_are_those_of_the_contract(ours, theirs) -> None:
    prefix = theirs.Name(0).removesuffix("UNSPECIFIED")
    named = {name.removeprefix(prefix): number for name, number in theirs.items() if number}
    assert {each.name: int(each) for each in ours if each} == named
