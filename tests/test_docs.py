"""The pages say what the code does: commands, options, reasons, schemes and links."""

import hmac
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import click
import numpy as np
import pytest

from benchmarks.blocking import blocking_values
from matcher.agency.elements import elements
from matcher.agency.identity import NormalisedBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.nicknames import ROOTS
from matcher.agency.signing.values import sign_values
from matcher.agency.tokeniser import Tokeniser, canonical_columns
from matcher.blocking.common_names import COMMON_NAMES
from matcher.cli import main
from matcher.config import (
    Agency,
    AgencyConfig,
    Coordinator,
    CoordinatorConfig,
    OperatorConfig,
    ServerConfig,
    TlsFiles,
)
from matcher.scheme import SCHEMES, UK_PERSON_V1, LinkageScheme
from matcher.service.auditing import METHODS
from matcher.v1.errors_pb2 import ErrorReason
from matcher.v1.status_service_pb2 import FeedStatus, GetStatusResponse

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OPERATIONS = "docs/operations.md"
SECTIONS = {"agencies", "coordinators", "operators", "tls", "columns"}
"""Fields that are tables of their own."""
SHELL = {"echo", "export", "kill", "mkdir", "sed"}


@cache
def page(name: str) -> str:
    return (ROOT / name).read_text()


def commands(group: click.Group = main, words: tuple[str, ...] = ("matcher",)) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


def section(text: str, heading: str) -> str:
    """From a heading to the next one of its level or higher."""
    level = len(heading.split(maxsplit=1)[0])
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def rows(text: str) -> dict[str, str]:
    """Rows of the tables of a text by their first cell, without its back quotes."""
    return {row.split("|")[1].strip().strip("`"): row for row in text.splitlines() if row.startswith("| `")}


# -- commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_command_and_option_is_described(words: str, command: click.Command) -> None:
    row = next((row for cell, row in rows(page(OPERATIONS)).items() if f"{cell} ".startswith(f"{words} ")), None)
    assert row, f"a row for `{words}` in {OPERATIONS}"
    for option in (each for each in command.params if isinstance(each, click.Option)):
        assert option.opts[0] in row, f"{option.opts[0]} of `{words}` in {OPERATIONS}"


def test_every_command_described_is_one() -> None:
    known = dict(commands())
    for cell in rows(page(OPERATIONS)):
        if cell.startswith("matcher "):
            assert any(f"{cell} ".startswith(f"{words} ") for words in known), cell


def console_lines() -> list[tuple[str, str]]:
    """Commands shown in console blocks of the pages: (page, command line)."""
    return [
        (path.relative_to(ROOT).as_posix(), line.removeprefix("$ "))
        for path in PAGES
        for block in re.findall(r"^```console\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def test_the_readme_shows_commands() -> None:
    shown = [line for name, line in console_lines() if name == "README.md"]
    assert {"make demo", "make test"} <= set(shown)
    assert len([line for line in shown if line.startswith("matcher ")]) >= 10


@pytest.mark.parametrize(("name", "line"), console_lines())
def test_shown_commands_exist(name: str, line: str) -> None:
    words = shlex.split(line.partition(" 2> ")[0])
    if words[0] in SHELL:
        return  # pasted by tests/test_readme.py
    if words[0] == "make":
        assert re.search(rf"^{re.escape(words[1])}:", page("Makefile"), re.MULTILINE), f"{name}: {line}"
        return
    assert words[0] == "matcher", f"{name}: {line}"
    command: click.Command = main
    rest = words[1:]
    while isinstance(command, click.Group):
        assert rest and rest[0] in command.commands, f"{name}: {line}"
        command, rest = command.commands[rest[0]], rest[1:]
    context = click.Context(command, info_name=line, help_option_names=["-h", "--help"])
    values, extra, _ = command.make_parser(context).parse_args(list(rest))  # raises on an option there is not
    assert not extra, f"{name}: {line}"
    for parameter in command.params:
        value = values.get(parameter.name or "")
        given = isinstance(value, str) or bool(value)
        assert given or not parameter.required, f"{name}: {line}: {parameter.name} is needed"
        if isinstance(value, str) and not isinstance(parameter.type, click.Path):
            parameter.type.convert(value, parameter, context)


def test_the_example_unit_starts_a_command_there_is() -> None:
    [line] = re.findall(r"^ExecStart=(.*)$", page("deploy/matcher.service"), re.MULTILINE)
    path, *words = shlex.split(line)
    assert Path(path).name == "matcher"
    command = dict(commands())[f"matcher {words[0]}"]
    assert not command.make_parser(click.Context(command)).parse_args(words[1:])[1]


def test_the_example_container_starts_a_command_there_is() -> None:
    [entry] = re.findall(r"^ENTRYPOINT (.*)$", page("deploy/Containerfile"), re.MULTILINE)
    [words] = re.findall(r"^CMD (.*)$", page("deploy/Containerfile"), re.MULTILINE)
    [path], (name, *rest) = json.loads(entry), json.loads(words)
    assert Path(path).name == "matcher"
    command = dict(commands())[f"matcher {name}"]
    assert not command.make_parser(click.Context(command)).parse_args(rest)[1]


# -- configuration ----------------------------------------------------------------------------------------------


def shown_default(default: object) -> str:
    if default is MISSING:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, LinkageScheme):
        return f"`{default.name}`"
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"


@pytest.mark.parametrize(
    ("heading", "schemas"),
    [
        ("### Matcher", (ServerConfig, TlsFiles, Agency, Coordinator)),
        ("### Agency", (AgencyConfig,)),
        ("### Coordinator", (CoordinatorConfig,)),
        ("### Operator", (OperatorConfig,)),
    ],
)
def test_every_option_stands_with_its_default(heading: str, schemas: tuple[type, ...]) -> None:
    described = rows(section(page(OPERATIONS), heading))
    options = {option.name: option for schema in schemas for option in fields(schema) if option.name not in SECTIONS}
    for name, option in options.items():
        expected = f"| `{name}` | {shown_default(option.default)} |"
        assert described.get(name, "").startswith(expected), f"a row '{expected} ...' under '{heading}'"
    assert set(described) == set(options), f"rows under '{heading}' that are no options"


def test_every_field_of_the_status_is_described() -> None:
    described = section(page(OPERATIONS), "### What `matcher status` tells").split("| field | tells |")[1]
    for message in (GetStatusResponse, FeedStatus):
        for name in message.DESCRIPTOR.fields_by_name:
            assert f"`{name}`" in described, name


# -- reasons, schemes, links ------------------------------------------------------------------------------------


def test_what_is_noted_of_every_method_is_described() -> None:
    described = {
        name: row.split("|")[2].strip()
        for row in section(page("docs/audit-log.md"), "## What is noted").splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert described == {name: str(noted.operation) for name, noted in METHODS.items()}


@pytest.mark.parametrize("reason", ErrorReason.keys())
def test_every_reason_is_described(reason: str) -> None:
    assert reason in rows(section(page(OPERATIONS), "## Error reasons"))


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_the_normative_text_gives_the_scheme_that_is_shipped(scheme: LinkageScheme) -> None:
    expected = [
        f"Digest `{scheme.digest.hex()}`. W = {scheme.encoding_bytes}, P = {len(scheme.passes)}. "
        f"Identifier column `{scheme.identifier_column}`; `checks_uk` is {str(scheme.checks_uk).lower()}.",
        *(
            f"| `{f.name}` | {f.kind} | {f.bits} | {f.comparison} | {f.alternative} | {'yes' if f.vetoes else 'no'} |"
            for f in scheme.fields
        ),
        *(f"| `{each.name}` | {' · '.join(f'`{part}`' for part in each.parts)} |" for each in scheme.passes),
    ]
    written = section(page("docs/token-scheme.md"), f"### {scheme.name}").splitlines()
    tables = [line for line in written if line.startswith(("Digest", "| `"))]
    assert tables == expected, "docs/token-scheme.md must say:\n" + "\n".join(expected)


def listed(heading: str) -> str:
    """The block of text under a heading of docs/token-scheme.md."""
    found = re.search(r"```text\n(.*?)```", section(page("docs/token-scheme.md"), heading), re.DOTALL)
    assert found
    return found[1]


def test_the_normative_text_lists_the_common_names() -> None:
    assert set(listed("### 8.2 Common names").split()) == COMMON_NAMES


def test_the_normative_text_lists_the_forms_of_forenames() -> None:
    written: dict[str, set[str]] = {}
    for group in re.split(r"[|\n]", listed("### 5.1 Forms of forenames")):
        for form in group.split():
            written.setdefault(form, set()).add(group.split()[0])
    assert written == {form: set(roots) for form, roots in ROOTS.items()}


def worked_example() -> str:
    """The block of docs/token-scheme.md, section 16."""
    scheme, pass_name = UK_PERSON_V1, "birth-date forename-start"
    keys = LinkageKeys(bytes(range(32)), scheme, 1)
    tokeniser = Tokeniser(scheme, keys, AliasKey(bytes(32), "police"), "police", bytes(range(1, 33)))
    row = {
        "record_ref": "POL-000189", "forename": "ANN", "surname": "ONEIL", "year": "1985", "month": "03", "day": "07",
        "sex": "F", "postcode": "LS14AP", "address": "12 HIGH ST", "identifier": "", "note": "",
    }  # fmt: skip
    batch = NormalisedBatch(
        rows=[2], observed_day=[-1], restricted=[False], **{name: [value] for name, value in row.items()}
    )
    p = [each.name for each in scheme.passes].index(pass_name)
    value = blocking_values(scheme.passes[p], canonical_columns(batch, scheme))[0]
    signature = sign_values(keys.sign_key("forename"), scheme.fields[0], ["ANN"])[0]
    tokens = tokeniser.tokenise(batch)
    shown = {
        "key check": keys.key_check.hex(),
        "sign key of forename": keys.sign_key("forename").hex(),
        "elements of ANN": " ".join(sorted(elements(scheme.fields[0].kind, "ANN"))),
        "signature of ANN": np.packbits(signature, bitorder="little").tobytes().hex(),
        "pass key": keys.pass_key(pass_name).hex(),
        "blocking value": value.hex(),
        "block secret": hmac.digest(keys.pass_key(pass_name), value, "sha256").hex(),
        "block token": tokens.block_tokens[0, p].tobytes().hex(),
    }
    at = 0
    for f, field in enumerate(scheme.encoded):
        end = at + field.bits // 8
        present = int(tokens.field_masks[0]) >> f & 1
        shown[field.name] = tokens.encodings[0, p, at:end].tobytes().hex() if present else ".." * (end - at)
        at = end
    return "".join(f"{name:<22}{value}\n" for name, value in shown.items())


def test_the_worked_example_is_what_the_tokeniser_makes() -> None:
    written = listed("## 16. A worked example")
    assert written == worked_example(), "docs/token-scheme.md must say:\n" + worked_example()


def anchors(text: str) -> set[str]:
    """Anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), f"{path.name}: {target}"
        assert not anchor or anchor in anchors(found.read_text()), f"{path.name}: {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_named_exist(path: Path) -> None:
    named = re.findall(r"`((?:matcher|tests|docs|proto|benchmarks)/[\w./-]+\.\w+)`", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
