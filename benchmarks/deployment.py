"""A whole deployment in one folder, on this machine: keys, certificates, configurations, and processes to run them.

Everything is made with the commands an operator would use, and every process is a real one.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.population import AGENCIES, Agency
from matcher.config import OperatorConfig
from matcher.rpc import open_channel
from matcher.v1.status_service_pb2 import GetStatusRequest, GetStatusResponse
from matcher.v1.status_service_pb2_grpc import StatusServiceStub

_DOMAIN = "familiar-faces.example"
_START_SECONDS = 120.0


def matcher(*arguments: str | Path, clock: Path | None = None) -> list[str]:
    """The command line of a `matcher` command, under this interpreter and, if a file is given, under its clock."""
    shifted = f"from benchmarks.clock import follow; follow({str(clock)!r}); " if clock else ""
    return [
        sys.executable, "-c", f"{shifted}from matcher.cli import main; main(prog_name='matcher')", *map(str, arguments)
    ]  # fmt: skip


class Deployment:
    """One matcher, its agencies, a coordinator and an operator. Ends what it started, and nothing else."""

    def __init__(
        self,
        folder: Path,
        scheme: str = "uk-person-v1",
        agencies: Sequence[Agency] = AGENCIES,
        population: int = 100_000,
        options: str = "",
        encrypted: bool = True,
        clock: Path | None = None,
    ) -> None:
        """`options`: further lines of the matcher's table; `encrypted`: whether the database is; `clock`: see
        `benchmarks.clock`."""
        self.folder = folder
        self.scheme = scheme
        self.agencies = agencies
        self.population = population
        self.options = options + ('\ndatabase_key = "database.key"' if encrypted else "")
        self._clock = clock
        self.address = ""
        self._server: subprocess.Popen[str] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def set_up(self) -> None:
        """Make keys, certificates and the matcher's configuration."""
        shown = self.command("keygen", "linkage", self.folder / "linkage.key", "--scheme", self.scheme)
        self.command("keygen", "database", self.folder / "database.key")
        self.command("keygen", "coordinator", self.folder / "coordinator.key", self.folder / "coordinator.pub")
        self.command("keygen", "audit", self.folder / "audit.key", self.folder / "audit.pub")
        parties = "".join(
            f'[[agency]]\nname = "{agency.name}"\nsector = "{agency.sector}"\n'
            f'certificate = "spiffe://{_DOMAIN}/agency/{agency.name}"\n\n'
            for agency in self.agencies
        )
        self.server_config.write_text(
            f'[matcher]\nlisten = "127.0.0.1:0"\ndatabase = "matcher.db"\nscheme = "{self.scheme}"\n{shown.strip()}\n'
            # no quiet period, so that all is told once all is matched
            f"expected_population = {self.population}\nquiet_seconds = 0\n"
            f'audit_log = "audit.log"\naudit_key = "audit.key"\n{self.options}\n\n'
            f"{_tls('server')}\n{parties}"
            f'[[coordinator]]\nname = "coordinator"\ncertificate = "spiffe://{_DOMAIN}/coordinator/main"\n\n'
            f'[[operator]]\nname = "operator"\ncertificate = "spiffe://{_DOMAIN}/operator/main"\n'
        )
        self.command("pki", "init", "--config", self.server_config, "--out", self.folder / "pki")
        for agency in self.agencies:
            self.command("keygen", "alias", self.folder / f"{agency.name}.alias.key")

    @property
    def server_config(self) -> Path:
        """The matcher's configuration file."""
        return self.folder / "matcher.toml"

    def start(self) -> None:
        """Start the matcher and write its callers' configurations."""
        log = (self.folder / "matcher.log").open("a")
        self._server = subprocess.Popen(
            matcher("serve", "--config", self.server_config, clock=self._clock),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        line = self._server.stdout.readline() if self._server.stdout else ""
        found = re.search(r"serving on (\S+)", line)
        if found is None:
            raise RuntimeError(f"the matcher did not start; see {self.folder / 'matcher.log'}")
        self.address = found[1]
        common = f'matcher = "{self.address}"\nscheme = "{self.scheme}"\n'
        for agency in self.agencies:
            self.agency_config(agency.name).write_text(
                f'[agency]\nname = "{agency.name}"\n{common}linkage_key = "linkage.key"\n'
                f'alias_key = "{agency.name}.alias.key"\ncoordinator_public_key = "coordinator.pub"\n\n'
                f"{_tls(f'agency-{agency.name}')}"
            )
        self.coordinator_config.write_text(
            f'[coordinator]\nname = "coordinator"\n{common}private_key = "coordinator.key"\n\n'
            f"{_tls('coordinator-coordinator')}"
        )
        self.operator_config.write_text(f'[operator]\nname = "operator"\n{common}\n{_tls("operator-operator")}')

    def agency_config(self, agency: str) -> Path:
        """An agency's configuration file."""
        return self.folder / f"{agency}.toml"

    @property
    def coordinator_config(self) -> Path:
        """The coordinator's configuration file."""
        return self.folder / "coordinator.toml"

    @property
    def operator_config(self) -> Path:
        """The operator's configuration file."""
        return self.folder / "operator.toml"

    def command(self, *arguments: str | Path) -> str:
        """Run a `matcher` command to its end; what it printed. `CalledProcessError` if it failed.

        What it complains of goes to `commands.log` in the folder.
        """
        with (self.folder / "commands.log").open("a") as log:
            command = matcher(*arguments)
            return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=log, text=True).stdout

    def spawn(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a `matcher` command."""
        return subprocess.Popen(matcher(*arguments), stdout=subprocess.PIPE, text=True)

    def status(self) -> GetStatusResponse:
        """How the matcher stands."""
        config = OperatorConfig.load(self.operator_config)
        with open_channel(config.matcher, config.tls) as channel:
            return StatusServiceStub(channel).GetStatus(GetStatusRequest())

    def wait_until_matched(self, seconds: float = 600.0) -> None:
        """Return when every committed frame is matched."""
        until = time.monotonic() + seconds
        while self.status().frames_waiting:
            if time.monotonic() > until:
                raise TimeoutError("matching did not catch up")
            time.sleep(0.2)

    @property
    def process(self) -> int:
        """The matcher's process; it must run."""
        if self._server is None:
            raise RuntimeError("the matcher does not run")
        return self._server.pid

    def cpu_seconds(self) -> float:
        """Processor time the matcher has used."""
        fields = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split() if self._server else []
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Memory the matcher holds, at most so far."""
        text = Path(f"/proc/{self._server.pid}/status").read_text() if self._server else "VmHWM: 0 kB"
        return int(re.findall(r"VmHWM:\s*(\d+)", text)[0]) * 1024

    def kill(self) -> None:
        """End the matcher as a crash would."""
        if self._server is not None:
            self._end(self._server, signal.SIGKILL)

    def abort(self) -> None:
        """End the matcher as a fault inside it would."""
        if self._server is not None:
            self._end(self._server, signal.SIGABRT)

    def stop(self) -> None:
        """Stop the matcher, gracefully."""
        if self._server is not None:
            self._end(self._server, signal.SIGTERM)

    def _end(self, server: subprocess.Popen[str], number: signal.Signals) -> None:
        with server:  # closes its pipe
            server.send_signal(number)
            server.wait(_START_SECONDS)
        self._server = None


def _tls(party: str) -> str:
    return "[tls]\n" + "".join(
        f'{option} = "pki/{party}/{file}.pem"\n'
        for option, file in (("certificate", "certificate"), ("key", "key"), ("authority", "authority"))
    )
