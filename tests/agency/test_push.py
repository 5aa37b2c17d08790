"""Pushing a file: resumed after any break, checked before anything is sent; problems name rows, never values."""

import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmarks.deployment import Deployment
from benchmarks.population import Agency, generate, write_csvs
from matcher.agency import push as pushing
from matcher.agency.client import FeedClient
from matcher.agency.push import ClearTextSource, TokenFileSource, push, write_token_file
from matcher.cli import main
from matcher.config import AgencyConfig, CoordinatorConfig, ServerConfig
from matcher.coordinator.client import AlertClient, OpenedAlert
from matcher.coordinator.opening import Opener
from matcher.errors import InputFileError, RemoteError
from matcher.frame import unpack_records
from matcher.model import AlertKind
from matcher.pipeline import Pipeline
from matcher.rpc import open_channel
from matcher.service.database import open_store
from matcher.service.server import bound_model, scorer_of, settings_of
from tests.agency.deployed import agency_config, csv_of
from tests.factory import model
from tests.service.servers import Deployed, people, person, wait_until

Person = frozenset[tuple[str, str]]
"""Agencies and references of a person's records."""


def source(deployed: Deployed, agency: str, csv: Path, **options: object) -> ClearTextSource:
    return ClearTextSource(csv, AgencyConfig.load(agency_config(deployed, agency, **options)))


def quietly(offset: int) -> None:
    """No progress shown."""


def persons_told(alerts: list[OpenedAlert]) -> set[Person]:
    """What the coordinator holds true after reading some alerts, which must stand without gaps."""
    assert [alert.sequence for alert in alerts] == list(range(1, len(alerts) + 1))
    latest: dict[bytes, Person] = {}
    for opened in alerts:
        person_id = opened.alert.person_id
        latest.pop(person_id, None)
        if opened.alert.kind not in (AlertKind.WITHDRAWN, AlertKind.MERGED):
            assert all(each.reference for each in opened.members)
            latest[person_id] = frozenset(
                (each.member.agency, each.reference.reference) for each in opened.members if each.reference
            )
    return set(latest.values())


def told(deployed: Deployed) -> set[Person]:
    deployed.settle()
    with deployed.alert_client() as client:
        return persons_told(list(client.alerts(follow=False)))


def both(*numbers: int) -> set[Person]:
    return {frozenset({("police", f"REF-{n}"), ("clinic", f"REF-{n}")}) for n in numbers}


# -- what is sent ----------------------------------------------------------------------------------------------------


def test_all_of_a_file_is_sent_once(deployed: Deployed, tmp_path: Path) -> None:
    seen: list[int] = []
    file = csv_of(tmp_path / "police.csv", people(range(50)))
    for _ in range(2):
        length = push(deployed.feed_client("police"), source(deployed, "police", file, batch_records=20), seen.append)
        assert length == 50
    assert seen == [0, 20, 40, 50, 50]
    assert deployed.frames() == 3


def test_persons_are_told_by_the_agencies_own_references(deployed: Deployed, tmp_path: Path) -> None:
    for agency, numbers in (("police", range(20)), ("clinic", range(15, 40))):
        file = csv_of(tmp_path / f"{agency}.csv", people(numbers))
        push(deployed.feed_client(agency), source(deployed, agency, file, batch_records=7), quietly)
    assert told(deployed) == both(*range(15, 20))


@pytest.mark.parametrize("first", [0, 1, 19, 20, 21, 49, 50, 51])
def test_a_source_starts_at_any_offset(deployed: Deployed, tmp_path: Path, first: int) -> None:
    file = csv_of(tmp_path / "police.csv", people(range(50)))
    made = source(deployed, "police", file, batch_records=20)
    aliases = b"".join(each.aliases for each in made.batches(0))
    batches = list(made.batches(first))
    assert b"".join(each.aliases for each in batches) == aliases[16 * first :]
    at = first
    for each in batches:
        assert each.first_offset == at
        at += each.record_count


def test_a_source_starts_behind_a_record_of_several_rows(deployed: Deployed, tmp_path: Path) -> None:
    persons = [person(n, surname=name) for n in range(6) for name in ("Onename", "Othername")]
    made = source(deployed, "police", csv_of(tmp_path / "police.csv", persons), batch_records=5)
    for first in range(7):
        batches = list(made.batches(first))
        assert sum(each.record_count for each in batches) == 6 - first
        assert sum(each.row_count for each in batches) == 2 * (6 - first)


def test_a_record_of_many_rows_is_sent_with_as_many_as_the_matcher_takes(deployed: Deployed, tmp_path: Path) -> None:
    persons = [person(0, address=f"{n} Elm Road") for n in range(9)] + people(range(1, 4))
    made = source(deployed, "police", csv_of(tmp_path / "police.csv", persons))
    assert push(deployed.feed_client("police"), made, quietly) == 4
    assert {problem.row for problem in made.problems if problem.fatal} == set(range(6, 11))


def test_another_epoch_or_content_makes_another_feed(deployed: Deployed, tmp_path: Path) -> None:
    file, other = csv_of(tmp_path / "a.csv", people(range(3))), csv_of(tmp_path / "b.csv", people(range(4)))
    copy = csv_of(tmp_path / "c.csv", people(range(3)))
    feeds = [source(deployed, "police", each).header.feed_id for each in (file, copy, other)]
    assert feeds[0] == feeds[1] != feeds[2]
    assert source(deployed, "police", file, epoch=4).header.feed_id != feeds[0]
    assert source(deployed, "clinic", file).header.feed_id != feeds[0]


# -- breaks ----------------------------------------------------------------------------------------------------------


def test_a_push_rides_out_a_restart(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "_FIRST_PAUSE", 0.1)
    file = csv_of(tmp_path / "police.csv", people(range(80)))
    restart = threading.Thread(target=lambda: deployed.restart(while_down=lambda: time.sleep(1.0)))

    def progress(offset: int) -> None:
        if offset >= 20 and not restart.ident:
            restart.start()
            wait_until(lambda: deployed.server.matching.stopping)

    made = source(deployed, "police", file, batch_records=10)
    assert push(deployed.feed_client("police"), made, progress) == 80
    restart.join()
    deployed.settle()
    assert deployed.frames() == 8


def test_a_push_gives_up_after_a_while(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "_FIRST_PAUSE", 0.001)
    made = source(deployed, "police", csv_of(tmp_path / "police.csv", people(range(5))))
    reasons = []

    def fruitless() -> None:
        with FeedClient(deployed.new_channel("agency-police")) as client, pytest.raises(RemoteError) as raised:
            push(client, made, quietly)
        reasons.append(raised.value.reason)

    deployed.restart(while_down=fruitless)
    assert reasons == ["UNAVAILABLE"]


AGENCIES = (
    Agency("north", "police", 0.5, 0.5, 0.99, 0.95, 0.99, 0.5),
    Agency("south", "health", 0.5, 0.9, 0.99, 0.95, 0.99, 0.5),
)
KILLS = {"north": 250, "south": 400}


def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "_FIRST_PAUSE", 0.01)
    population = generate(1500, 5, agencies=AGENCIES)
    files = write_csvs(population, tmp_path / "files")
    with Deployment(tmp_path / "run", agencies=AGENCIES, population=1500) as deployment:
        deployment.set_up()
        model().save(deployment.folder / "model.json")
        calm = deployment.server_config.read_text().replace("[matcher]", '[matcher]\nmodel = "model.json"', 1)
        deployment.server_config.write_text(calm)
        deployment.start()
        for agency, at in KILLS.items():
            killed_at = push_until_killed(deployment, agency, files[agency], at)
            deployment.start()
            resumed: list[int] = []
            length = push_file(deployment, agency, files[agency], resumed)
            assert length == (population.records.agency == agency).sum()
            assert killed_at <= resumed[0] < length
        broken = persons_of(deployment)
        deployment.server_config.write_text(calm.replace('"matcher.db"', '"calm.db"'))
        deployment.start()
        for agency in KILLS:
            push_file(deployment, agency, files[agency], [])
        assert persons_of(deployment) == broken


def push_file(deployment: Deployment, agency: str, file: Path, offsets: list[int]) -> int:
    config = replace(AgencyConfig.load(deployment.agency_config(agency)), batch_records=50)
    with FeedClient(open_channel(config.matcher, config.tls)) as client:
        return push(client, ClearTextSource(file, config), offsets.append)


def push_until_killed(deployment: Deployment, agency: str, file: Path, at: int) -> int:
    """Kill the matcher when so many records are acknowledged; how many were."""

    class Killing(list[int]):
        def append(self, offset: int) -> None:
            super().append(offset)
            if offset >= at:
                deployment.kill()

    offsets = Killing()
    with pytest.raises(RemoteError) as raised:
        push_file(deployment, agency, file, offsets)
    assert raised.value.reason == "UNAVAILABLE"
    return max(offsets)


def persons_of(deployment: Deployment) -> set[frozenset[tuple[int, bytes]]]:
    """Agency and alias of each record of everyone, after a look at what was told and at what is stored; the matcher is
    stopped. An alert names who was known when it was raised, so which records of one agency it names goes with how
    frames came together."""
    deployment.wait_until_matched(60)
    coordinator = CoordinatorConfig.load(deployment.coordinator_config)
    with AlertClient(
        open_channel(coordinator.matcher, coordinator.tls),
        "desk",
        Opener.load(coordinator.private_key),
        coordinator.scheme,
    ) as client:
        told = persons_told(list(client.alerts(follow=False)))
    deployment.stop()
    config = ServerConfig.load(deployment.server_config)
    with closing(open_store(config)) as store:
        sent = [
            (matched.frame.agency, alias.tobytes())
            for matched in store.matched_frames()
            for alias in unpack_records(matched.frame.payload, matched.frame.epoch).aliases[matched.record_numbers >= 0]
        ]
        assert len(sent) == len(set(sent)) == 1500
        pipeline = Pipeline(store, scorer_of(config, bound_model(config, store)), settings_of(config))
        persons = [
            pipeline.registry.described(np.array(person.records))[:2]
            for person in pipeline.persons.people(pipeline.persons.everyone())
        ]
    assert len(told) == sum(len(set(agencies)) > 1 for agencies, _ in persons) > 200
    return {frozenset(zip(agencies, aliases, strict=True)) for agencies, aliases in persons}


# -- checked before anything is sent ---------------------------------------------------------------------------------


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_wrong_key_is_caught_before_anything_is_sent(deployed: Deployed, tmp_path: Path) -> None:
    file = csv_of(tmp_path / "police.csv", people(range(3)))
    config = agency_config(deployed, "police", linkage_key=bytes(range(1, 33)))
    done = run("feed", "push", file, "--config", config)
    assert (done.exit_code, deployed.frames()) == (1, 0)
    assert "the linkage key does not give the known answer" in done.stderr
    assert "advice: " in done.stderr
    assert "Traceback" not in done.output


def test_a_wrong_epoch_is_caught_before_anything_is_sent(deployed: Deployed, tmp_path: Path) -> None:
    file = csv_of(tmp_path / "police.csv", people(range(3)))
    done = run("feed", "push", file, "--config", agency_config(deployed, "police", epoch=9))
    assert (done.exit_code, deployed.frames()) == (1, 0)
    assert "epoch" in done.stderr


def test_a_wrong_scheme_is_caught_before_anything_is_sent(deployed: Deployed, tmp_path: Path) -> None:
    file = csv_of(tmp_path / "police.csv", people(range(3)))
    done = run("feed", "push", file, "--config", agency_config(deployed, "police", scheme="generic-person-v1"))
    assert (done.exit_code, deployed.frames()) == (1, 0)
    assert "scheme" in done.stderr


@pytest.mark.parametrize("name", ["clinic", "polcie"])
@pytest.mark.parametrize("command", ["push", "contacts", "remove", "removals"])
def test_a_name_that_is_not_the_certificates_is_caught_before_anything_is_sent(
    deployed: Deployed, tmp_path: Path, command: str, name: str
) -> None:
    file = csv_of(tmp_path / "police.csv", people(range(3)))
    if command == "contacts":
        file.write_text("record_ref,observed_day\nREF-0,2001-01-01\n")
    elif command != "push":
        file.write_text("REF-0\n")
    done = run("feed", command, file, "--config", agency_config(deployed, "police", name=name))
    assert (done.exit_code, deployed.frames()) == (1, 0)
    assert f"this certificate is that of police; the configuration says {name}" in done.stderr
    assert "advice: Use this agency's own certificate, or correct `name`" in done.stderr


def test_a_dry_run_sends_nothing(deployed: Deployed, tmp_path: Path) -> None:
    file = csv_of(tmp_path / "police.csv", people(range(3)))
    done = run("feed", "push", file, "--config", agency_config(deployed, "police"), "--dry-run")
    assert done.exit_code == 0, done.output
    assert "3 records would be sent" in done.stdout
    assert deployed.frames() == 0
    # not even a connection is needed
    away = agency_config(deployed, "police", matcher="127.0.0.1:1")
    assert run("feed", "push", file, "--config", away, "--dry-run").exit_code == 0


def test_broken_rows_are_named_by_number_and_reason_and_the_others_go(deployed: Deployed, tmp_path: Path) -> None:
    secret = "Quixotterby"
    file = csv_of(
        tmp_path / "police.csv",
        [person(0), person(1, identifier="4000000001"), person(2)],
        f"{secret},too,few",
        f',no,reference,{secret},,,,,""',
        f'REF-0,again,{secret},,,,,,""',
    )
    done = run("feed", "push", file, "--config", agency_config(deployed, "police"))
    assert done.exit_code == 0, done.output
    assert "3 records committed" in done.stdout
    problems = [line for line in done.stderr.splitlines() if line.startswith("row ")]
    assert [line.split()[1] for line in problems if line.endswith("(left out)")] == ["5", "6", "7"]
    assert any(line.startswith("row 3 identifier") and line.endswith("(flagged)") for line in problems)
    assert secret not in done.output
    assert "4000000001" not in done.output
    assert "REF-0" not in done.output


# -- token files -----------------------------------------------------------------------------------------------------


def token_file(deployed: Deployed, folder: Path, agency: str, numbers: range, **options: object) -> Path:
    file, out = csv_of(folder / f"{agency}.csv", people(numbers)), folder / f"{agency}.tokens"
    assert write_token_file(source(deployed, agency, file, **options), out, quietly) == len(numbers)
    return out


def test_a_token_file_tells_the_same_as_the_file_itself(deployed: Deployed, tmp_path: Path) -> None:
    for agency, numbers in (("police", range(20)), ("clinic", range(15, 40))):
        file = token_file(deployed, tmp_path, agency, numbers, batch_records=8)
        config = agency_config(deployed, agency)
        done = run("feed", "push", file, "--config", config)
        assert done.exit_code == 0, done.output
        assert f"{len(numbers)} records committed" in done.stdout
    assert told(deployed) == both(*range(15, 20))
    frames = deployed.frames()
    # the file it was made from is the same feed: all of it is there
    assert (
        "nothing sent: all 20 records"
        in run("feed", "push", tmp_path / "police.csv", "--config", agency_config(deployed, "police")).stdout
    )
    assert deployed.frames() == frames


def test_a_token_file_resumes_behind_whole_batches(deployed: Deployed, tmp_path: Path) -> None:
    made = TokenFileSource(token_file(deployed, tmp_path, "police", range(20), batch_records=8))
    assert [each.first_offset for each in made.batches(0)] == [0, 8, 16]
    assert [each.first_offset for each in made.batches(8)] == [8, 16]
    assert list(made.batches(20)) == []
    with pytest.raises(InputFileError, match="inside a batch"):
        list(made.batches(5))


def test_a_token_file_holds_no_clear_text(deployed: Deployed, tmp_path: Path) -> None:
    content = token_file(deployed, tmp_path, "police", range(20)).read_bytes().lower()
    for each in people(range(20)):
        for name in ("record_ref", "forename", "surname", "postcode", "address", "identifier"):
            assert len(each[name]) < 5 or each[name].lower().encode() not in content


def test_a_token_file_cut_anywhere_is_refused(deployed: Deployed, tmp_path: Path) -> None:
    file = token_file(deployed, tmp_path, "police", range(6), batch_records=2)
    whole, cut = file.read_bytes(), tmp_path / "cut.tokens"
    header = whole.index(b"\n") + 1
    # the ends of batches are where a cut would not show by itself
    lengths = np.cumsum([each.ByteSize() + 2 for each in TokenFileSource(file).batches(0)])
    places = [
        header,
        header + 1,
        *(header + lengths),
        *(header + lengths + 1),
        len(whole) // 2,
        len(whole) - 32,
        len(whole) - 1,
    ]
    for place in places:
        cut.write_bytes(whole[:place])
        with pytest.raises(InputFileError, match="cut short"):
            TokenFileSource(cut)
    cut.write_bytes(whole + b"\0")
    with pytest.raises(InputFileError, match="damaged"):
        TokenFileSource(cut)


def test_a_token_file_with_one_bit_changed_is_refused(deployed: Deployed, tmp_path: Path) -> None:
    whole = token_file(deployed, tmp_path, "police", range(6)).read_bytes()
    changed = tmp_path / "changed.tokens"
    for place in range(0, len(whole), len(whole) // 97):
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(InputFileError):
            TokenFileSource(changed)


def test_a_damaged_token_file_is_refused_with_advice_and_nothing_is_sent(deployed: Deployed, tmp_path: Path) -> None:
    file = token_file(deployed, tmp_path, "police", range(6))
    file.write_bytes(file.read_bytes()[:-40])
    done = run("feed", "push", file, "--config", agency_config(deployed, "police"))
    assert (done.exit_code, deployed.frames()) == (1, 0)
    assert "damaged or cut short" in done.stderr


def test_another_agencys_token_file_is_refused(deployed: Deployed, tmp_path: Path) -> None:
    file = token_file(deployed, tmp_path, "police", range(6))
    done = run("feed", "push", file, "--config", agency_config(deployed, "clinic"))
    assert (done.exit_code, deployed.frames()) == (1, 0)
    assert "another agency's" in done.stderr


def test_a_token_file_is_never_overwritten_and_half_of_one_never_stays(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = token_file(deployed, tmp_path, "police", range(6), batch_records=2)
    made = source(deployed, "police", tmp_path / "police.csv", batch_records=2)
    whole = out.read_bytes()
    with pytest.raises(InputFileError, match="already"):
        write_token_file(made, out, quietly)
    assert out.read_bytes() == whole

    def stop(records: int) -> None:
        if records == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_token_file(made, tmp_path / "half.tokens", stop)
    assert not (tmp_path / "half.tokens").exists()
