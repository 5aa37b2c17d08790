"""Every command, as somebody at a prompt meets it: help, what is printed, exit codes, advice instead of tracebacks."""

import csv
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmarks.deployment import matcher as command_line
from matcher.agency.push import ClearTextSource
from matcher.cli import main
from matcher.config import AgencyConfig
from matcher.coordinator import client as coordinating
from matcher.v1 import case_service_pb2 as case_pb
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.case_service_pb2_grpc import CaseServiceStub
from matcher.v1.status_service_pb2 import GetStatusRequest
from tests.agency.deployed import agency_config, coordinator_config, csv_of, operator_config
from tests.factory import model
from tests.service.servers import MOST_RECORDS, Deployed, Person, alias, batch, little, people, person, write_config

NOTHING_CHANGED = "advice: Nothing was changed: do what the message says, then run the command again.\n"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments: str | Path) -> str:
    """What a command that must succeed prints."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str | Path) -> str:
    """What a command that must fail says on stderr; never a traceback, always advice."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("error: ")
    assert "\nadvice: " in result.stderr
    return result.stderr


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = list(commands(main))


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    with Deployed(tmp_path) as made:
        for agency in ("police", "clinic", "council"):
            agency_config(made, agency)
        coordinator_config(made)
        operator_config(made)
        yield made


@pytest.fixture
def no_umask() -> Iterator[None]:
    umask = os.umask(0)
    yield
    os.umask(umask)


def send(deployed: Deployed, agency: str, persons: list[Person]) -> None:
    request = pb.SubmitRecordsRequest(request_id=f"s{time.time_ns()}", batch=batch(agency, persons))
    deployed.feed(agency).SubmitRecords(request)
    deployed.settle()


def held(deployed: Deployed, each: Person) -> bool:
    """Whether the matcher holds this record of the police."""
    [number] = deployed.server.matching.pipeline.registry.find(0, np.frombuffer(alias("police", each), "u1")[None])
    return bool(number >= 0)


# -- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_explains_itself(path: tuple[str, ...], command: click.Command) -> None:
    text = done(*path, "--help")
    assert text == done(*path, "-h")
    assert "Usage: " in text
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path}: {parameter.name} has no help"


def test_a_mistyped_command_is_told_from_the_ones_there_are() -> None:
    result = run("fed", "push")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_help_comes_at_once() -> None:
    """A prompt should answer at once: neither gRPC nor numpy is loaded to show help."""
    code = (
        "import sys; from click.testing import CliRunner; from matcher.cli import main; "
        "assert CliRunner().invoke(main, ['feed', 'push', '--help']).exit_code == 0; "
        "print([name for name in ('grpc', 'numpy', 'pandas', 'numba', 'pyarrow') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


# -- keys and certificates -------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_for_their_owner_alone_and_never_shown(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        shown = done("keygen", "linkage", tmp_path / "linkage.key")
        shown += done("keygen", "alias", tmp_path / "alias.key")
        shown += done("keygen", "coordinator", tmp_path / "private.key", tmp_path / "public.key")
    finally:
        os.umask(umask)
    assert {mode(tmp_path / name) for name in ("linkage.key", "alias.key", "private.key")} == {0o600}
    assert mode(tmp_path / "public.key") == 0o644
    assert re.search(r'^key_check = "[0-9a-f]{32}"$', shown, re.MULTILINE)
    for path in tmp_path.iterdir():
        assert path.read_text().splitlines()[1] not in shown


def test_a_linkage_key_that_is_there_is_shown_again_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "linkage.key"
    first, content = done("keygen", "linkage", path), path.read_bytes()
    assert done("keygen", "linkage", path) == first
    assert path.read_bytes() == content
    assert done("keygen", "linkage", path, "--epoch", "2") != first
    assert done("keygen", "linkage", path, "--scheme", "generic-person-v1") != first


def test_other_keys_are_never_overwritten(tmp_path: Path) -> None:
    done("keygen", "alias", tmp_path / "alias.key")
    done("keygen", "coordinator", tmp_path / "private.key", tmp_path / "public.key")
    content = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for arguments in (
        ("alias", tmp_path / "alias.key"),
        ("coordinator", tmp_path / "private.key", tmp_path / "other.key"),
        ("coordinator", tmp_path / "other.key", tmp_path / "public.key"),
    ):
        assert "is not overwritten\nadvice: Use the file that is there" in refused("keygen", *arguments)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == content


def test_a_key_open_to_others_is_refused(deployed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "police.alias.key").chmod(0o644)
    file = csv_of(tmp_path / "people.csv", people(range(2)))
    assert "others than its owner" in refused("feed", "push", file, "--config", tmp_path / "police.toml")


def test_pki_init_makes_a_folder_for_every_party_and_adds_what_is_missing(tmp_path: Path) -> None:
    write_config(tmp_path)
    arguments = ("pki", "init", "--config", tmp_path / "matcher.toml", "--out", tmp_path / "pki")
    shown = done(*arguments)
    parties = {path.name for path in (tmp_path / "pki").iterdir()}
    assert parties == {
        "authority", "server", "agency-police", "agency-clinic", "agency-council", "coordinator-hub", "operator-ops",
    }  # fmt: skip
    assert len(shown.splitlines()) == len(parties)
    assert {mode(tmp_path / "pki" / party / "key.pem") for party in parties - {"authority"}} == {0o600}
    (tmp_path / "pki" / "agency-police").rename(tmp_path / "elsewhere")
    again = done(*arguments, "--host", "matcher.example").splitlines()
    assert again[0] == f"wrote {tmp_path}/pki/agency-police"
    assert f"kept {tmp_path}/pki/server (names: localhost, 127.0.0.1)" in again
    assert f"kept {tmp_path}/pki/operator-ops (names: spiffe://matcher.test/operator/ops)" in again
    assert len(again) == len(parties)
    assert again[-1] == "to make one that was kept anew, move it away and run this again"


# -- configuration ---------------------------------------------------------------------------------------------------


def test_three_mistakes_are_listed_together(tmp_path: Path) -> None:
    write_config(tmp_path)
    path = tmp_path / "matcher.toml"
    text = path.read_text().replace('sector = "health"', 'sector = "wealth"').replace("epoch = 3", "epoch = 0")
    path.write_text(text.replace("expected_population", "expected_populaton"))
    for command in (("serve",), ("pki", "init", "--out", tmp_path / "pki")):
        errors = [line for line in refused(*command, "--config", path).splitlines() if line.startswith("error: ")]
        assert any("epoch" in line for line in errors)
        assert any("sector" in line for line in errors)
        assert any("expected_populaton" in line and "did you mean expected_population?" in line for line in errors)
    assert not (tmp_path / "matcher.db").exists()
    assert not (tmp_path / "pki").exists()


def test_a_config_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    result = run("serve", "--config", tmp_path / "none.toml")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


# -- agency ----------------------------------------------------------------------------------------------------------


def test_validate_reports_without_values(tmp_path: Path) -> None:
    persons = [person(0), person(1, identifier="1234567890"), person(2, dob="01/01/1900"), person(3, postcode="")]
    file = csv_of(tmp_path / "people.csv", persons, "Quixotterby,short,row")
    text = done("validate", file)
    assert "surname" in text
    assert not re.search("Quixotterby|1234567890|REF-[0-9]", text)
    for each in persons:
        assert each["address"] not in text


def test_validate_takes_a_column_map(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Kennziffer,forename,surname\n1,Anna,Lee\n")
    assert "no column record_ref" in refused("validate", file)
    assert "1" in done("validate", file, "--column", "record_ref=Kennziffer")
    assert run("validate", file, "--column", "record_ref").exit_code == 2


def test_a_misspelt_header_of_restricted_sends_nothing(deployed: Deployed, tmp_path: Path) -> None:
    file, config = tmp_path / "people.csv", ("--config", tmp_path / "police.toml")
    file.write_text("record_ref,surname,dob,restriced\nREF-0,Quixotterby,1985-03-07,Yes\n")
    for command in (
        ("feed", "push", file, *config),
        ("feed", "push", file, *config, "--dry-run"),
        ("tokenise", file, *config, "--out", tmp_path / "people.tokens"),
        ("link", file, "--persons", tmp_path / "persons.csv"),
    ):
        shown = refused(*command)
        assert "people.csv: column 'restriced' may say which records are restricted\n" in shown
        assert "advice: Rename the header to restricted, or map it under [columns]" in shown
        assert "Quixotterby" not in shown
    assert deployed.frames() == 0
    assert not (tmp_path / "people.tokens").exists()
    assert "column 'restriced' is not read" in " ".join(done("validate", file).split())
    with (tmp_path / "police.toml").open("a") as config_file:
        config_file.write('[columns]\nrestricted = "restriced"\n')
    assert done("feed", "push", file, *config) == "1 record committed\n"


@pytest.mark.usefixtures("no_umask")
def test_tokenise_writes_a_file_that_push_takes(deployed: Deployed, tmp_path: Path) -> None:
    file = csv_of(tmp_path / "people.csv", people(range(9)))
    config = ("--config", tmp_path / "police.toml")
    assert "9 records tokenised into" in done("tokenise", file, *config, "--out", tmp_path / "people.tokens")
    assert mode(tmp_path / "people.tokens") == 0o600
    assert "already" in refused("tokenise", file, *config, "--out", tmp_path / "people.tokens")
    for path in {*tmp_path.glob("*.key"), tmp_path / "coordinator.pub"}:
        path.rename(path.with_suffix(".elsewhere"))
    assert "linkage_key: there is no such file" in refused("feed", "push", file, *config)
    assert "9 records committed" in done("feed", "push", tmp_path / "people.tokens", *config)
    assert deployed.frames() == 1
    (tmp_path / "pki" / "agency-police" / "key.pem").rename(tmp_path / "key.pem")
    assert "agency-police/key.pem cannot be read" in refused("feed", "push", tmp_path / "people.tokens", *config)


def test_a_matcher_that_is_away_is_told_of_with_advice(tmp_path: Path, deployed: Deployed) -> None:
    file = csv_of(tmp_path / "people.csv", people(range(2)))
    config = agency_config(deployed, "police", matcher="127.0.0.1:1")
    away = refused("feed", "push", file, "--config", config)
    assert "UNAVAILABLE" in away
    assert "advice: The matcher was not reached: is it started" in away


def test_remove_and_contacts(deployed: Deployed, tmp_path: Path) -> None:
    for agency in ("police", "clinic"):
        send(deployed, agency, [person(number, observed_day="2001-01-01") for number in range(3)])
    assert deployed.alerts() == []
    today = time.strftime("%Y-%m-%d")
    (tmp_path / "met.csv").write_text(
        f"record_ref,observed_day\nREF-0,{today}\nREF-1,{today}\nREF-1,2002-02-02\nREF-2,\n"
    )
    for agency in ("police", "clinic"):
        result = run("feed", "contacts", tmp_path / "met.csv", "--config", tmp_path / f"{agency}.toml")
        assert (result.exit_code, result.stdout) == (0, "3 contacts reported\n")
        assert result.stderr == "row 5 observed_day: no day on which the person was met (left out)\n"
    assert [alert.kind.name for alert in deployed.alerts()] == ["KNOWN_TO_TWO"] * 2
    (tmp_path / "gone.txt").write_text("REF-0\n\nREF-0\nNEVER-SENT\n")
    assert "2 removals requested" in done("feed", "remove", tmp_path / "gone.txt", "--config", tmp_path / "police.toml")
    assert [alert.kind.name for alert in deployed.alerts()[2:]] == ["WITHDRAWN"]


def test_a_push_says_what_it_did_and_what_earlier_ones_had_done(deployed: Deployed, tmp_path: Path) -> None:
    file, config = csv_of(tmp_path / "people.csv", people(range(5))), ("--config", tmp_path / "police.toml")
    made = ClearTextSource(file, AgencyConfig.load(tmp_path / "police.toml"))
    made.batch_records = 2
    list(deployed.feed_client("police").append(made.header.feed_id, [next(made.batches(0))]))
    assert done("feed", "push", file, *config) == "5 records committed, 2 of them before this run\n"
    frames = deployed.frames()
    before = "nothing sent: all 5 records of this file were committed before"
    assert done("feed", "push", file, *config) == f"{before}; `--anew` sends it again\n"
    done("tokenise", file, *config, "--out", tmp_path / "people.tokens")
    assert done("feed", "push", tmp_path / "people.tokens", *config) == before + "\n"
    refusal = run("feed", "push", tmp_path / "people.tokens", *config, "--anew")
    assert refusal.exit_code == 2
    assert "--anew is for clear-text files" in refusal.stderr
    assert deployed.frames() == frames
    assert done("feed", "push", file, *config, "--anew") == "5 records committed\n"
    assert deployed.frames() > frames


def test_every_day_of_every_reference_is_reported(deployed: Deployed, tmp_path: Path) -> None:
    send(deployed, "police", [person(number, observed_day="2001-01-01") for number in range(2)])
    today = int(time.time()) // 86400
    days = {back: time.strftime("%Y-%m-%d", time.gmtime((today - back) * 86400)) for back in (2, 3, 4, 5, 20, 30)}
    rows = [(0, 30), (1, 20), (0, 2), (1, 5), (1, 4), (1, 3), (1, 4)]  # in no order, and adjacent, and one twice
    (tmp_path / "met.csv").write_text(
        "record_ref,observed_day\n" + "".join(f"REF-{number},{days[back]}\n" for number, back in rows)
    )
    contacts = ("feed", "contacts", tmp_path / "met.csv", "--config", tmp_path / "police.toml")
    result = run(*contacts)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "6 contacts reported\n", "")
    deployed.settle()
    pipeline = deployed.server.matching.pipeline
    found = [{*pipeline.store.contacts(record), pipeline.registry.day(record)} for record in range(2)]
    assert [{today - day for day in each if today - day in days} for each in found] == [{30, 2}, {20, 5, 4, 3}]


def test_contacts_go_in_calls_that_the_matcher_takes(deployed: Deployed, tmp_path: Path) -> None:
    rows = "".join(f"REF-{number},2001-01-01\n" for number in range(2 * MOST_RECORDS + 1))
    (tmp_path / "met.csv").write_text(f"record_ref,observed_day\n{rows}REF-0,2001-01-02\n")
    contacts = ("feed", "contacts", tmp_path / "met.csv", "--config", tmp_path / "police.toml")
    assert done(*contacts) == f"{2 * MOST_RECORDS + 2} contacts reported\n"
    assert deployed.frames() == 4


def test_contacts_need_their_day_s_column(deployed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "met.csv").write_text("record_ref\nREF-0\n")
    shown = refused("feed", "contacts", tmp_path / "met.csv", "--config", tmp_path / "police.toml")
    assert shown.startswith("error: met.csv: no column observed_day\n")


def test_a_file_of_references_is_read_with_care(deployed: Deployed, tmp_path: Path) -> None:
    remove = ("feed", "remove", file := tmp_path / "gone.txt", "--config", tmp_path / "police.toml")
    file.write_text("\n \n")
    assert done(*remove) == "nothing sent: gone.txt names no reference\n"
    for wrong, reason in (
        (b"Quixotterby," * 9, "may have at most 64 bytes"),
        (b"Quixotterb\xff", "is not valid text"),
        (b"Quixotterby\rREF-1", "holds control characters"),
    ):
        file.write_bytes(b"REF-0\n\n" + wrong + b"\n")
        for command in (remove, ("feed", "removals", *remove[2:])):
            shown = refused(*command)
            assert shown.startswith(f"error: gone.txt line 3: a record reference {reason}\nadvice: Write one record")
            assert "Quixotterb" not in shown
    assert deployed.frames() == 0
    for agency in ("police", "clinic"):
        send(deployed, agency, people([0]))
    file.write_bytes(b"\xef\xbb\xbfREF-0\r\n")  # as spreadsheets save it
    assert done(*remove) == "1 removal requested\n"
    assert [alert.kind.name for alert in deployed.alerts()] == ["KNOWN_TO_TWO", "WITHDRAWN"]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029"])
def test_only_a_line_feed_ends_a_reference(deployed: Deployed, tmp_path: Path, mark: str) -> None:
    named = person(0, record_ref=f"REF-1{mark}REF-2")
    send(deployed, "police", [named, *people([1, 2])])
    assert [held(deployed, each) for each in (named, person(1), person(2))] == [True] * 3
    (tmp_path / "gone.txt").write_bytes(f"REF-1{mark}REF-2\r\n".encode())
    remove = ("feed", "remove", tmp_path / "gone.txt", "--config", tmp_path / "police.toml")
    assert done(*remove) == "1 removal requested\n"
    deployed.settle()
    assert [held(deployed, each) for each in (named, person(1), person(2))] == [False, True, True]


def test_removals_go_in_calls_that_the_matcher_takes(deployed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "gone.txt").write_text("\n".join(f"REF-{number}" for number in range(2 * MOST_RECORDS + 1)))
    assert AgencyConfig.load(tmp_path / "police.toml").batch_records > MOST_RECORDS
    remove = ("feed", "remove", tmp_path / "gone.txt", "--config", tmp_path / "police.toml")
    assert done(*remove) == f"{2 * MOST_RECORDS + 1} removals requested\n"
    assert deployed.frames() == 3
    agency_config(deployed, "police", batch_records=MOST_RECORDS // 2)
    done(*remove)
    assert deployed.frames() == 3 + 5


def test_removals_are_shown_by_reference_and_confirmed(deployed: Deployed, tmp_path: Path) -> None:
    for agency in ("police", "clinic"):
        send(deployed, agency, people([0]))
    cases = CaseServiceStub(deployed.channel("coordinator-hub"))
    opened = cases.OpenCase(case_pb.OpenCaseRequest(person_id=deployed.alerts()[0].person_id))
    cases.CloseCase(case_pb.CloseCaseRequest(case_id=opened.case_id))
    deployed.settle()
    (tmp_path / "references.txt").write_text("REF-9\nREF-0\n")
    removals = (
        "feed",
        "removals",
        tmp_path / "references.txt",
        "--seconds",
        "0.7",
        "--config",
        tmp_path / "police.toml",
    )
    shown = run(*removals)
    assert re.fullmatch(r"notice [0-9a-f]{32} closed [0-9-]{10}: delete REF-0\n", shown.stdout)
    assert "also run `matcher feed remove`" in shown.stderr
    saved, config = tmp_path / "notices.txt", ("--config", tmp_path / "police.toml")
    assert done(*removals, "--out", saved) == shown.stdout == saved.read_text()
    assert mode(saved) == 0o600
    (tmp_path / "gone.txt").write_text("REF-0\n")
    done("feed", "remove", tmp_path / "gone.txt", "--config", tmp_path / "police.toml")
    deployed.settle()
    confirmed = run("feed", "removals", "--confirm", saved, *config)
    assert confirmed.stdout == "1 removal confirmed\n"
    assert "also run `matcher feed remove`" in confirmed.stderr
    after = run(*removals)
    assert (after.stdout, after.stderr) == ("", "")
    none = run(*removals, "--out", tmp_path / "none.txt")
    assert (none.stdout, none.stderr) == ("", "no notices: none.txt is not made\n")
    assert not (tmp_path / "none.txt").exists()


def test_a_notice_that_came_since_the_listing_is_not_confirmed(deployed: Deployed, tmp_path: Path) -> None:
    for agency in ("police", "clinic"):
        send(deployed, agency, people([0, 1, 2]))
    cases = CaseServiceStub(deployed.channel("coordinator-hub"))
    alerts = deployed.alerts()

    def close(number: int) -> None:
        opened = cases.OpenCase(case_pb.OpenCaseRequest(person_id=alerts[number].person_id))
        cases.CloseCase(case_pb.CloseCaseRequest(case_id=opened.case_id))
        deployed.settle()

    (tmp_path / "all.txt").write_text("REF-0\nREF-1\n")
    saved, config = tmp_path / "notices.txt", ("--config", tmp_path / "police.toml")
    listing = ("feed", "removals", tmp_path / "all.txt", "--seconds", "0.7", *config)
    confirm = ("feed", "removals", "--confirm", saved, *config)
    close(0)
    close(2)
    first = done(*listing, "--out", saved)
    assert sorted(line.partition("delete ")[2] for line in first.splitlines()) == [
        "(a record not in REFERENCES)",
        "REF-0",
    ]
    assert sum(line.startswith("notice ") for line in first.splitlines()) == 1
    close(1)  # while the first profile is being deleted
    assert done(*confirm) == "1 removal confirmed\n"
    after = done(*listing)
    assert sorted(line.partition("delete ")[2] for line in after.splitlines()) == [
        "(a record not in REFERENCES)",
        "REF-1",
    ]
    assert "there is such a file already" in refused(*listing, "--out", saved)
    assert saved.read_text() == first
    done(*confirm)  # once more changes nothing
    assert done(*listing) == after


@pytest.mark.usefixtures("deployed")
def test_only_a_saved_listing_confirms(tmp_path: Path) -> None:
    config, saved = ("--config", tmp_path / "police.toml"), tmp_path / "notices.txt"
    known = "notice " + 32 * "0" + " closed 2026-11-29: delete Quixotterby\r\n"
    for wrong in ("Quixotterby", known[:30], "notice 00 closed 2026-11-29: delete Quixotterby"):
        saved.write_text(f"{known}\n{wrong}\n")
        shown = refused("feed", "removals", "--confirm", saved, *config)
        assert shown.startswith("error: notices.txt line 3: is not a line of a listing of notices\nadvice: Save what")
        assert "Quixotterby" not in shown
    saved.write_text("\n".join(["", "closed 2026-11-29: delete (a record not in REFERENCES)"]))
    assert done("feed", "removals", "--confirm", saved, *config) == "nothing confirmed: notices.txt names no notice\n"
    for arguments in ((), (saved, "--confirm", saved), ("--confirm", saved, "--out", tmp_path / "more.txt")):
        result = run("feed", "removals", *arguments, *config)
        assert result.exit_code == 2
        assert "give REFERENCES to see the notices, or --confirm FILE" in result.stderr


# -- coordinator and operator ----------------------------------------------------------------------------------------


def test_watch_shows_alerts_once(deployed: Deployed, tmp_path: Path) -> None:
    for agency in ("police", "clinic"):
        send(deployed, agency, people(range(3)))
    watch = ("alerts", "watch", "--no-follow", "--config", tmp_path / "hub.toml")
    lines = done(*watch).splitlines()
    assert len(lines) == 3
    assert re.match(r"1 KNOWN_TO_TWO person [0-9a-f]{32} alert [0-9a-f]{32} confidence very_high: ", lines[0])
    assert "police REF-0; clinic REF-0" in lines[0]
    again = run(*watch)
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "none\n")


def test_watch_shows_notes(deployed: Deployed, tmp_path: Path) -> None:
    send(deployed, "police", [person(0, note="ring first")])
    send(deployed, "clinic", people([0]))
    [line] = done("alerts", "watch", "--no-follow", "--config", tmp_path / "hub.toml").splitlines()
    assert line.endswith('police REF-0 "ring first"; clinic REF-0')


def test_watch_that_does_not_follow_ends_where_no_matcher_is(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(coordinating, "_LONGEST_PAUSE", 0.4)
    coordinator_config(deployed, matcher="127.0.0.1:1")
    assert "advice: The matcher was not reached" in refused(
        "alerts", "watch", "--no-follow", "--config", tmp_path / "hub.toml"
    )
    assert re.search(r"the connection broke \(UNAVAILABLE: .*onnect.*\); trying again", caplog.text)


def test_an_alert_is_put_aside_and_taken_back(deployed: Deployed, tmp_path: Path) -> None:
    for agency in ("police", "clinic"):
        send(deployed, agency, people(range(3)))
    config = ("--config", tmp_path / "hub.toml")
    done("alerts", "watch", "--no-follow", *config)
    for sequence in ("1", "3"):
        assert done("alerts", "park", *config, sequence) == "put aside\n"
    assert [line.split()[0] for line in done("alerts", "parked", *config).splitlines()] == ["1", "3"]
    assert [line.split()[0] for line in done("alerts", "parked", "--release", "1", *config).splitlines()] == ["3"]
    assert "NOT_FOUND" in refused("alerts", "park", *config, "4")
    for sequence in ("1", "3"):
        left = run("alerts", "parked", "--release", sequence, *config)
    assert (left.stdout, left.stderr) == ("", "none\n")


def test_only_a_coordinator_configured_for_them_sees_restricted_persons(deployed: Deployed, tmp_path: Path) -> None:
    restricted = ("alerts", "restricted", "--config", tmp_path / "hub.toml")
    assert "PERMISSION_DENIED" in refused(*restricted)
    hub = replace(deployed.config.coordinators[0], restricted=True)
    deployed.config = replace(deployed.config, coordinators=(hub,))
    deployed.restart()
    persons = people(range(1))
    send(deployed, "police", persons)
    send(deployed, "clinic", [{**persons[0], "restricted": "yes"}])
    [line] = done(*restricted).splitlines()
    assert re.fullmatch(r"[0-9a-f]{32}: police REF-0; clinic REF-0", line)


@pytest.mark.usefixtures("no_umask")
def test_watch_appends_json_lines(deployed: Deployed, tmp_path: Path) -> None:
    out = tmp_path / "alerts.jsonl"
    watch = ("alerts", "watch", "--no-follow", "--config", tmp_path / "hub.toml", "--out", out)
    for number in range(2):
        for agency in ("police", "clinic"):
            send(deployed, agency, people([number]))
        assert done(*watch) == ""
    assert mode(out) == 0o600
    alerts = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(alert["sequence"], alert["kind"]) for alert in alerts] == [(1, "KNOWN_TO_TWO"), (2, "KNOWN_TO_TWO")]
    assert [member["reference"] for member in alerts[1]["members"]] == ["REF-1", "REF-1"]


def test_a_line_that_a_crash_left_unfinished_is_written_again(deployed: Deployed, tmp_path: Path) -> None:
    for agency in ("police", "clinic"):
        send(deployed, agency, people(range(2)))
    out = tmp_path / "alerts.jsonl"
    out.write_text('{"sequence": 1, "ale')
    done("alerts", "watch", "--no-follow", "--config", tmp_path / "hub.toml", "--out", out)
    assert [json.loads(line)["sequence"] for line in out.read_text().splitlines()] == [1, 2]


def test_explain_says_why(deployed: Deployed, tmp_path: Path) -> None:
    for agency in ("police", "clinic", "council"):
        send(deployed, agency, people([0]))
    explain = ("alerts", "explain", "--config", tmp_path / "hub.toml")
    text = done(*explain, "1")
    assert re.search(r"surname +agree +[+-]", text)
    assert "match weight" in text
    assert "police REF-0 - clinic REF-0\n" in text
    assert re.search(r"police REF-0 - council [0-9a-f]{8}\n", text)  # which came later
    assert "there is no alert 9 in the log" in refused(*explain, "9")
    assert "'SEQUENCE'" in run(*explain, "xyz").stderr


def test_review_and_resolve(deployed: Deployed, tmp_path: Path) -> None:
    send(deployed, "police", people([0]))
    send(deployed, "clinic", [little(0)])
    config = ("--config", tmp_path / "hub.toml")
    [line] = done("alerts", "review", *config).splitlines()
    assert re.match(r"[0-9a-f]{32} police - clinic: forename agree, ", line)
    resolve = ("alerts", "resolve", *config, line.split()[0])
    assert "--until must lie in the future\nadvice: Correct the field" in refused(
        *resolve, "same", "--reviewer", "E", "--until", "2001-01-01"
    )
    assert run(*resolve, "perhaps", "--reviewer", "E").exit_code == 2
    assert done(*resolve, "same", "--reviewer", "E", "--until", "2099-01-01").startswith("answered; this replaces ")
    assert [alert.kind.name for alert in deployed.alerts()] == ["KNOWN_TO_TWO"]
    assert run("alerts", "review", *config).stderr == "none\n"
    unnamed = run("alerts", "resolve", *config, "1", "same", "--reviewer", "E").stderr
    assert "'POSSIBLE_MATCH_ID': must be 32 hex digits: what a line of `matcher alerts review` begins with" in unnamed


def test_status_is_blurred_json(deployed: Deployed, tmp_path: Path) -> None:
    send(deployed, "police", people(range(3)))
    told = json.loads(done("status", "--config", tmp_path / "ops.toml"))
    assert told["records"] == {"value": "7", "at_most": True}
    assert told["frames_waiting"] == "0"
    assert [feed["agency"] for feed in told["feeds"]] == ["clinic", "council", "police"]


def test_serve_says_where_and_stops_when_told(tmp_path: Path) -> None:
    write_config(tmp_path)
    done("pki", "init", "--config", tmp_path / "matcher.toml", "--out", tmp_path / "pki")
    model().save(tmp_path / "model.json")
    with subprocess.Popen(
        command_line("serve", "--config", tmp_path / "matcher.toml"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        assert re.fullmatch(r"serving on 127\.0\.0\.1:[0-9]+\n", server.stdout.readline())
        second = run("serve", "--config", tmp_path / "matcher.toml")
        assert second.exit_code == 1
        assert "is open in another matcher" in second.stderr
        assert second.stderr.endswith(NOTHING_CHANGED)
        server.send_signal(signal.SIGTERM)
        _, logged = server.communicate(timeout=20)
    assert server.returncode == 0
    assert [json.loads(line)["message"] for line in logged.splitlines()][-1] == "stopped"
    assert "Traceback" not in logged


def test_a_backup_is_taken_while_serving_and_restored_when_stopped(deployed: Deployed, tmp_path: Path) -> None:
    for agency in ("police", "clinic"):
        send(deployed, agency, people(range(3)))
    config, saved = ("--config", tmp_path / "matcher.toml"), tmp_path / "saved"
    # a process of its own: in the matcher's, closing a file would drop SQLite's locks
    subprocess.run(command_line("backup", saved, *config), check=True, capture_output=True)
    assert "is there already" in refused("backup", saved, *config)
    send(deployed, "council", people(range(3)))
    assert "is open in another matcher" in refused("restore", saved, *config)

    def put_back() -> None:
        there = refused("restore", saved, *config)
        assert "move it aside first" in there
        assert there.endswith(NOTHING_CHANGED)
        for file in tmp_path.glob("matcher.db*"):
            file.unlink()
        content = saved.read_bytes()
        saved.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert "is damaged" in refused("restore", saved, *config)
        saved.write_bytes(content)
        assert "start the matcher" in done("restore", saved, *config)

    before = deployed.alerts()
    deployed.restart(while_down=put_back)
    assert deployed.alerts() == before[:3]
    send(deployed, "council", people(range(3)))
    assert [(alert.kind, alert.person_id) for alert in deployed.alerts()] == [
        (alert.kind, alert.person_id) for alert in before
    ]


def test_a_database_is_encrypted_its_key_changed_and_the_wrong_one_refused(tmp_path: Path) -> None:
    folder, options = tmp_path, ("--config", tmp_path / "matcher.toml")
    write_config(folder, database_key=None)
    with Deployed(folder, database_key=None) as plain:
        send(plain, "police", people(range(3)))
        before = plain.status.GetStatus(GetStatusRequest()).records
    done("keygen", "database", folder / "first.key")
    assert "exists already" in refused("keygen", "database", folder / "first.key")
    assert (folder / "first.key").stat().st_mode & 0o777 == 0o600

    write_config(folder, database_key="first.key")
    assert "not encrypted, and a key is configured: encrypt it with `matcher rekey`" in refused("serve", *options)
    shown = done("rekey", folder / "first.key", *options)
    assert f'database_key = "{folder / "first.key"}"' in shown
    assert "with this key already" in done("rekey", folder / "first.key", *options)

    done("keygen", "database", folder / "second.key")
    write_config(folder, database_key=None)
    for command in (("serve",), ("backup", folder / "saved"), ("rekey", folder / "second.key")):
        assert "encrypted, and no key is configured\nadvice: Configure the key" in refused(*command, *options)
    write_config(folder, database_key="first.key")
    assert "need the key they were made with" in done("rekey", folder / "second.key", *options)
    for command in (("serve",), ("backup", folder / "saved"), ("rekey", folder / "database.key")):
        assert "is encrypted with another key than the configured one" in refused(*command, *options)
    assert "others than its owner may use it" in refused("rekey", folder / "model.json", *options)

    with Deployed(folder, database_key="second.key") as encrypted:
        assert encrypted.status.GetStatus(GetStatusRequest()).records == before
        assert encrypted.frames() == 1
        assert "is open in another matcher" in refused("rekey", folder / "first.key", *options)


def test_a_matcher_without_a_key_says_so_at_each_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for key, times in ((None, 1), ("database.key", 0)):
        caplog.clear()
        (folder := tmp_path / f"{times}").mkdir()
        with caplog.at_level("WARNING"), Deployed(folder, database_key=key):
            pass
        assert caplog.text.count("the database is not encrypted") == times


# -- link ------------------------------------------------------------------------------------------------------------


def linked(folder: Path, *options: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    for agency, numbers in (("police", range(12)), ("clinic", range(8, 20))):
        with (folder / f"{agency}.csv").open("w", newline="") as file:
            columns = ["record_ref", "agency", "forename", "surname", "dob", "sex", "postcode", "address", "identifier"]
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writerow({name: "nhs_number" if name == "identifier" else name for name in columns})
            writer.writerows(person(n, agency=agency, record_ref=f"{agency}-{n}") for n in numbers)
    files = (folder / "police.csv", folder / "clinic.csv")
    persons, pairs = folder / "persons.csv", folder / "pairs.csv"
    text = done("link", *files, "--persons", persons, "--pairs", pairs, *options)
    assert "24 records of 2 agencies, 4 persons with more than one" in text
    with persons.open() as first, pairs.open() as second:
        return list(csv.DictReader(first)), list(csv.DictReader(second))


@pytest.mark.parametrize("options", [(), ("--expected-population", "1000")], ids=["estimated", "given"])
def test_link_writes_persons_and_pairs(tmp_path: Path, options: tuple[str, ...]) -> None:
    model().save(tmp_path / "model.json")
    persons, pairs = linked(tmp_path, "--model", str(tmp_path / "model.json"), *options)
    assert list(persons[0]) == ["record_ref", "agency", "person_id"]
    assert [each["record_ref"] for each in persons] == [f"police-{n}" for n in range(12)] + [
        f"clinic-{n}" for n in range(8, 20)
    ]
    together: dict[str, set[str]] = {}
    for each in persons:
        together.setdefault(each["person_id"], set()).add(each["record_ref"])
    assert [each for each in together.values() if len(each) > 1] == [
        {f"police-{n}", f"clinic-{n}"} for n in range(8, 12)
    ]
    names = ["record_ref_l", "agency_l", "record_ref_r", "agency_r"]
    assert list(pairs[0]) == [*names, "match_weight", "match_probability", "decision"]
    assert {tuple(each[name] for name in names) for each in pairs if each["decision"] == "MATCH"} == {
        (f"police-{n}", "police", f"clinic-{n}", "clinic") for n in range(8, 12)
    }
    weights = [float(each["match_weight"]) for each in pairs]
    assert weights == sorted(weights, reverse=True)
    assert all(0.5 <= float(each["match_probability"]) <= 1 for each in pairs)


def test_link_takes_a_file_for_that_of_the_agency_it_is_named_after(tmp_path: Path) -> None:
    model().save(tmp_path / "model.json")
    files = [csv_of(tmp_path / f"{agency}.csv", people([1])) for agency in ("police", "clinic")]
    options = ("--persons", tmp_path / "persons.csv", "--model", tmp_path / "model.json")
    text = done("link", *files, *options, "--expected-population", "1000")
    assert text == "2 records of 2 agencies, 1 person with more than one\n"
    with (tmp_path / "persons.csv").open() as file:
        assert [row["agency"] for row in csv.DictReader(file)] == ["police", "clinic"]


def test_link_refuses_one_record_in_two_files(tmp_path: Path) -> None:
    model().save(tmp_path / "model.json")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file in files:
        file.write_text("record_ref,agency,surname\n1,a,Quixotterby\n")
    result = run("link", *files, "--persons", tmp_path / "p.csv", "--model", tmp_path / "model.json")
    assert result.exit_code == 1
    assert "stands in two places" in result.output
    assert "Quixotterby" not in result.output


def test_link_names_rows_it_leaves_out(tmp_path: Path) -> None:
    model().save(tmp_path / "model.json")
    (tmp_path / "a.csv").write_text("record_ref,agency,surname\n1,a,Lee\n,a,Quixotterby\n2,b,Ray\n")
    result = run("link", tmp_path / "a.csv", "--persons", tmp_path / "p.csv", "--model", tmp_path / "model.json")
    assert result.exit_code == 0, result.output
    assert "a.csv row 3 record_ref: no record reference" in result.stderr
    assert "Quixotterby" not in result.output


@pytest.mark.parametrize("count", [0, 1, 20])
def test_link_of_people_who_have_nothing_in_common(tmp_path: Path, count: int) -> None:
    model().save(tmp_path / "model.json")
    lines = [f"{agency}{n},{agency},{'XQ'[agency == 'a']}{chr(97 + n)}zz" for agency in "ab" for n in range(count)]
    (tmp_path / "a.csv").write_text("\n".join(["record_ref,agency,surname", *lines]) + "\n")
    text = done("link", tmp_path / "a.csv", "--persons", tmp_path / "p.csv", "--model", tmp_path / "model.json")
    assert f"{2 * count} records of {min(2, 2 * count)} agencies, 0 persons" in text
