"""Configuration files: defaults, and that every mistake is listed, once, without its value."""

from dataclasses import fields
from pathlib import Path

import pytest

from matcher.config import AgencyConfig, CoordinatorConfig, OperatorConfig, ServerConfig
from matcher.errors import ConfigError, KeyFileError
from matcher.keyfile import DATABASE_KEY_LABEL, write_secret
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1
from matcher.service.server import settings_of

TLS = """
[tls]
certificate = "pki/certificate.pem"
key = "pki/key.pem"
authority = "pki/authority.pem"
"""
SERVER = f"""
[matcher]
database = "matcher.db"
key_check = "000102030405060708090A0b0c0d0e0f"
{TLS}
[[agency]]
name = "police"
sector = "police"
certificate = "spiffe://example.org/agency/police"
[[agency]]
name = "st-marys"
sector = "health"
certificate = "spiffe://example.org/agency/st-marys"
[[coordinator]]
name = "hub"
certificate = "spiffe://example.org/coordinator/hub"
"""
AGENCY = f"""
[agency]
name = "police"
matcher = "matcher.example.org:7443"
linkage_key = "linkage.key"
alias_key = "alias.key"
coordinator_public_key = "coordinator.pub"
{TLS}
"""
COORDINATOR = f"""
[coordinator]
name = "hub"
matcher = "[::1]:7443"
private_key = "private.key"
{TLS}
"""
PASTED = "5e" * 32
NO_FILE = "there is no such file, or it may not be read"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every file the configurations above name."""
    (tmp_path / "pki").mkdir()
    for name in ("certificate.pem", "key.pem", "authority.pem"):
        (tmp_path / "pki" / name).touch()
    for name in ("linkage.key", "alias.key", "coordinator.pub", "private.key"):
        (tmp_path / name).touch()
    return tmp_path


def server(folder: Path, text: str, *, check_files: bool = True) -> ServerConfig:
    path = folder / "matcher.toml"
    path.write_text(text)
    return ServerConfig.load(path, check_files=check_files)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        server(folder, text)
    assert str(folder / "matcher.toml") in str(caught.value)
    return caught.value.problems


def agency_problems(folder: Path, text: str) -> list[str]:
    (folder / "agency.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        AgencyConfig.load(folder / "agency.toml")
    assert PASTED not in str(caught.value)
    return caught.value.problems


def test_every_option_of_matching_counts_as_itself(folder: Path) -> None:
    """Each with a value that no other has, nor any default."""
    given = {"block_cap": 901, "look_back_days": 92, "escalation_contacts": 9, "quiet_seconds": 93}
    options = "".join(f"{name} = {value}\n" for name, value in given.items())
    settings = settings_of(server(folder, SERVER.replace("[matcher]\n", f"[matcher]\n{options}")))
    left = {each.name: each.default for each in fields(settings) if each.name not in {"agencies", *given}}
    assert {name: getattr(settings, name) for name in given} == given
    assert {name: getattr(settings, name) for name in left} == left


def test_a_server_file_with_the_least_in_it_gets_the_defaults(folder: Path) -> None:
    config = server(folder, SERVER)
    assert config.listen == "127.0.0.1:7443"
    assert config.database == folder / "matcher.db"
    assert config.scheme is UK_PERSON_V1
    assert config.key_check == bytes(range(16))
    assert (config.epoch, config.expected_population, config.max_batch_records) == (1, 1_000_000, 4096)
    assert (config.match_probability, config.possible_probability) == (0.95, 0.5)
    assert (config.block_cap, config.look_back_days, config.reflection, config.model) == (1000, 365, False, None)
    assert config.tls.key == folder / "pki" / "key.pem"
    assert [(agency.name, agency.sector) for agency in config.agencies] == [
        ("police", "police"),
        ("st-marys", "health"),
    ]
    assert config.agencies[0].certificate == "spiffe://example.org/agency/police"
    assert [caller.name for caller in config.coordinators] == ["hub"]
    assert config.operators == ()


def test_every_option_can_be_set(folder: Path) -> None:
    (folder / "model.json").touch()
    options = """
listen = "[::]:0"
scheme = "generic-person-v1"
epoch = 65535
expected_population = 100
match_probability = 0.9
possible_probability = 0.2
max_batch_records = 8192
block_cap = 10
look_back_days = 3650
reflection = true
model = "model.json"
"""
    operator = '[[operator]]\nname = "ops"\ncertificate = "spiffe://example.org/operator/ops"\n'
    config = server(folder, SERVER.replace("[matcher]", "[matcher]" + options) + operator)
    assert config.listen == "[::]:0"
    assert config.scheme is GENERIC_PERSON_V1
    assert config.model == folder / "model.json"
    assert config.reflection
    assert (config.match_probability, config.possible_probability) == (0.9, 0.2)
    assert config.operators[0].name == "ops"


def test_the_database_s_key_stands_in_a_file_or_a_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def options(lines: str) -> str:
        return SERVER.replace("[matcher]", f"[matcher]\n{lines}")

    assert server(folder, SERVER).read_database_key() is None
    assert problems(folder, options('database_key = "database.key"')) == [
        f"[matcher] database_key: {NO_FILE}; `matcher keygen database` makes it"
    ]
    write_secret(folder / "database.key", DATABASE_KEY_LABEL, bytes(range(32)))
    config = server(folder, options('database_key = "database.key"'))
    assert config.read_database_key() == bytes(range(32))
    assert bytes(range(32)).hex() not in repr(config)
    (folder / "database.key").chmod(0o640)
    with pytest.raises(KeyFileError, match="others than its owner may use it"):
        config.read_database_key()

    config = server(folder, options('database_key_variable = "MATCHER_KEY"'))
    monkeypatch.setenv("MATCHER_KEY", bytes(range(32)).hex() + "\n")
    assert config.read_database_key() == bytes(range(32))
    for wrong in ("", PASTED[:-1], PASTED + "0", "x" * 64):
        monkeypatch.setenv("MATCHER_KEY", wrong)
        with pytest.raises(KeyFileError, match="MATCHER_KEY: must hold the key, 64 hex digits") as caught:
            config.read_database_key()
        assert wrong not in str(caught.value) or not wrong
    monkeypatch.delenv("MATCHER_KEY")
    with pytest.raises(KeyFileError, match="MATCHER_KEY"):
        config.read_database_key()

    assert problems(folder, options('database_key = "database.key"\ndatabase_key_variable = "KEY"')) == [
        "[matcher] database_key_variable: there is a database_key already"
    ]
    for pasted in (PASTED, "AB" * 32):  # the key itself, where its variable's name belongs
        [problem] = problems(folder, options(f'database_key_variable = "{pasted}"'))
        assert "must be the name of an environment variable" in problem
        assert pasted not in problem


def test_an_audit_log_and_its_key_need_each_other(folder: Path) -> None:
    (folder / "audit.key").touch()

    def options(lines: str) -> str:
        return SERVER.replace("[matcher]", f"[matcher]\n{lines}")

    for option in ('audit_log = "audit.log"', 'audit_key = "audit.key"'):
        assert problems(folder, options(option)) == ["[matcher] audit_log, audit_key: give both or neither"]
    config = server(folder, options('audit_log = "audit.log"\naudit_key = "audit.key"'))
    assert (config.audit_log, config.audit_key) == (folder / "audit.log", folder / "audit.key")
    assert problems(folder, options('audit_log = "audit.log"\naudit_key = "gone"')) == [
        f"[matcher] audit_key: {NO_FILE}; `matcher keygen audit` makes it"
    ]
    assert problems(folder, options('audit_log = "audit.log"\naudit_kee = "audit.key"')) == [
        "[matcher] audit_kee: is not known; did you mean audit_key?"
    ]


def test_an_agency_and_a_coordinator_file(folder: Path) -> None:
    (folder / "agency.toml").write_text(AGENCY + '[columns]\nforename = "Given Name"\n')
    agency = AgencyConfig.load(folder / "agency.toml")
    assert (agency.name, agency.matcher, agency.server_name) == ("police", "matcher.example.org:7443", None)
    assert agency.linkage_key == folder / "linkage.key"
    assert (agency.epoch, agency.batch_records, agency.scheme) == (1, 1500, UK_PERSON_V1)
    assert agency.columns == {"forename": "Given Name"}

    (folder / "coordinator.toml").write_text(COORDINATOR)
    coordinator = CoordinatorConfig.load(folder / "coordinator.toml")
    assert (coordinator.name, coordinator.consumer, coordinator.matcher) == ("hub", "default", "[::1]:7443")
    assert coordinator.private_key == folder / "private.key"


def test_three_mistakes_are_three_problems(folder: Path) -> None:
    text = SERVER.replace("key_check", "epoch = 0\nblok_cap = 50\nkey_check").replace('"health"', '"helth"')
    assert problems(folder, text) == [
        "[matcher] blok_cap: is not known; did you mean block_cap?",
        "[matcher] epoch: must be a whole number, 1 to 65535",
        "[[agency]] 2 sector: must be one of police, health, council, social-care, housing, fire, justice, education, "
        "voluntary",
    ]


def test_a_misspelt_name_is_not_reported_as_missing_too(folder: Path) -> None:
    assert problems(folder, SERVER.replace("database", "databse").replace("[tls]", "[tsl]")) == [
        "table tsl: is not known; did you mean tls?",
        "[matcher] databse: is not known; did you mean database?",
    ]


def test_a_window_names_another_epoch_and_another_key_check(folder: Path) -> None:
    def with_window(window: str) -> str:
        return SERVER.replace("key_check", f"{window}\nepoch = 7\nkey_check", 1)

    right = f'previous_epoch = 6\nprevious_key_check = "{"ab" * 16}"'
    (folder / "window.toml").write_text(with_window(right))
    config = ServerConfig.load(folder / "window.toml")
    assert (config.epoch, config.previous_epoch, config.previous_key_check) == (7, 6, b"\xab" * 16)
    assert problems(folder, with_window("previous_epoch = 6")) == [
        "[matcher] previous_epoch, previous_key_check: give both or neither"
    ]
    assert problems(folder, with_window(right.replace("6", "7"))) == [
        "[matcher] previous_epoch: must be another one than epoch"
    ]
    assert problems(folder, with_window(right.replace("ab" * 16, config.key_check.hex()))) == [
        "[matcher] previous_key_check: must be another one than key_check"
    ]


WRONG = [
    ("listen", "7443", "must be host:port"),
    ("listen", '"localhost"', "must be host:port"),
    ("listen", '"localhost:70000"', "must be host:port"),
    ("listen", '"two words:1"', "must be host:port"),
    ("scheme", '"uk"', "must be one of uk-person-v1, generic-person-v1"),
    ("epoch", "65536", "1 to 65535"),
    ("epoch", "1.0", "a whole number"),
    ("epoch", "true", "a whole number"),
    ("expected_population", "99", "100 to"),
    ("match_probability", "1", "above 0 and below 1"),
    ("match_probability", "nan", "above 0 and below 1"),
    ("match_probability", '"0.9"', "above 0 and below 1"),
    ("possible_probability", "0.0", "above 0 and below 1"),
    ("possible_probability", "0.95", "must be below match_probability"),
    ("match_probability", "0.3", "must be below match_probability"),
    ("max_batch_records", "8193", "1 to 8192"),
    ("block_cap", "9", "10 to"),
    ("look_back_days", "0", "1 to 3650"),
    ("reflection", "1", "true or false"),
    ("model", '"missing.json"', "no such file"),
    ("model", '"pki"', "no such file"),
    ("model", "3", "must be a path"),
    ("model", r'"a\u0000"', "must be a path"),
]


@pytest.mark.parametrize(("option", "value", "reason"), WRONG)
def test_a_wrong_value_is_one_problem(folder: Path, option: str, value: str, reason: str) -> None:
    (problem,) = problems(folder, SERVER.replace("key_check", f"{option} = {value}\nkey_check"))
    assert reason in problem


@pytest.mark.parametrize("check", ["00", "xx" * 16, PASTED])
def test_a_key_check_is_32_hex_digits_and_a_wrong_one_is_not_quoted(folder: Path, check: str) -> None:
    text = SERVER.replace("000102030405060708090A0b0c0d0e0f", check)
    assert problems(folder, text) == ["[matcher] key_check: must be 32 hex digits"]


def test_a_key_pasted_where_its_path_belongs_is_not_quoted(folder: Path) -> None:
    assert agency_problems(folder, AGENCY.replace("linkage.key", PASTED)) == [
        f"[agency] linkage_key: {NO_FILE}; `matcher keygen linkage` makes it"
    ]
    assert agency_problems(folder, AGENCY.replace("[agency]", f"[agency]\n{PASTED} = 1")) == [
        "[agency] (a long name): is not known"
    ]


def test_names_and_certificates_are_given_once(folder: Path) -> None:
    text = SERVER.replace('name = "st-marys"', 'name = "police"').replace("coordinator/hub", "agency/police")
    assert problems(folder, text) == [
        "[[agency]] 2 name: is given twice",
        "[[coordinator]] 1 certificate: is that of [[agency]] 1 too",
    ]


def test_there_are_as_many_agencies_as_a_set_of_them_has_bits(folder: Path) -> None:
    more = "".join(
        f'[[agency]]\nname = "a-{n}"\nsector = "council"\ncertificate = "spiffe://example.org/agency/a-{n}"\n'
        for n in range(62)
    )
    assert problems(folder, SERVER + more) == ["[[agency]]: must be 63 at most"]


@pytest.mark.parametrize("uri", ["https://example.org/a", "spiffe://", "spiffe://Example.org/a", "spiffe://a/b?c", "é"])
def test_a_certificate_name_is_a_spiffe_uri(folder: Path, uri: str) -> None:
    (problem,) = problems(folder, SERVER.replace("spiffe://example.org/agency/police", uri))
    assert problem.startswith("[[agency]] 1 certificate: must be a URI such as spiffe://")


@pytest.mark.parametrize("name", ["", "Police", "a b", "x" * 33, "../x"])
def test_a_name_fits_a_folder(folder: Path, name: str) -> None:
    (problem,) = problems(folder, SERVER.replace('name = "police"', f'name = "{name}"'))
    assert problem == "[[agency]] 1 name: must be 1 to 32 of a-z, 0-9 and -"


def test_missing_tables_and_options(folder: Path) -> None:
    assert problems(folder, "") == [
        "[matcher]: is missing",
        "[tls]: is missing",
        "[[agency]]: there must be at least 2",
        "[[coordinator]]: there must be at least 1",
    ]
    assert problems(folder, SERVER.replace('key = "pki/key.pem"', "")) == ["[tls] key: is missing"]


def test_tables_of_the_wrong_kind(folder: Path) -> None:
    assert problems(folder, "matcher = 1\ntls = []\nagency = 3\ncoordinator = [1]\noperator = 3") == [
        "[matcher]: must be a table",
        "[tls]: must be a table",
        "[[agency]]: must be an array of tables",
        "[[coordinator]] 1: must be a table",
        "[[operator]]: must be an array of tables",
    ]
    assert agency_problems(folder, AGENCY + "[columns]\nforename = 3") == [
        "[columns]: must hold texts only, none of them empty"
    ]
    assert agency_problems(folder, "columns = 3\n" + AGENCY) == ["[columns]: must hold texts only, none of them empty"]


def test_another_party_s_file_is_told_as_such(folder: Path) -> None:
    operator = '[[operator]]\nname = "ops"\ncertificate = "spiffe://example.org/operator/ops"\n'
    server(folder, SERVER + operator)
    for kind, name in ((OperatorConfig, "operator"), (AgencyConfig, "agency")):
        with pytest.raises(ConfigError) as caught:
            kind.load(folder / "matcher.toml")
        assert caught.value.problems == [f"this is the matcher's file; the {name}'s is needed ([{name}])"]


def test_files_named_may_be_missing_when_they_are_not_checked(folder: Path) -> None:
    (folder / "pki" / "key.pem").unlink()
    assert problems(folder, SERVER) == [f"[tls] key: {NO_FILE}; `matcher pki init` makes it"]
    assert server(folder, SERVER, check_files=False).tls.key == folder / "pki" / "key.pem"


def test_a_client_needs_a_port(folder: Path) -> None:
    (problem,) = agency_problems(folder, AGENCY.replace(":7443", ":0"))
    assert problem.startswith("[agency] matcher: must be host:port")


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    path = folder / "matcher.toml"
    with pytest.raises(ConfigError, match="cannot be read"):
        ServerConfig.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        ServerConfig.load(path)
    path.write_text(f'[agency]\nlinkage_key = "{PASTED}\n')
    with pytest.raises(ConfigError, match="is not TOML") as caught:
        ServerConfig.load(path)
    assert PASTED not in str(caught.value)


def test_relative_paths_start_at_the_file_and_not_at_the_working_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server(folder, SERVER)
    monkeypatch.chdir(folder.parent)
    config = ServerConfig.load(Path(folder.name) / "matcher.toml")
    assert config.database == folder / "matcher.db"
    assert server(folder, SERVER.replace('"matcher.db"', '"/var/lib/m.db"')).database == Path("/var/lib/m.db")
