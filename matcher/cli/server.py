"""`matcher serve` and `matcher status`: what an operator runs."""

import signal
import threading
from pathlib import Path

import click

from matcher.cli.common import Command, config_option, log_to_stderr


@click.command(cls=Command)
@config_option
def serve(config_path: Path) -> None:
    """Run the matcher until it is told to stop (SIGTERM or Ctrl-C); calls in hand are finished first."""
    from matcher.config import ServerConfig
    from matcher.service.server import Server

    log_to_stderr()
    server = Server(ServerConfig.load(config_path))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    click.echo(f"serving on {server.address}")
    stop.wait()
    server.stop()


@click.command(cls=Command)
@config_option
def status(config_path: Path) -> None:
    """Show how the matcher stands. Counts are blurred: nobody is to be told apart by them."""
    from google.protobuf.json_format import MessageToJson

    from matcher.config import OperatorConfig
    from matcher.rpc import open_channel, refusals
    from matcher.v1.status_service_pb2 import GetStatusRequest
    from matcher.v1.status_service_pb2_grpc import StatusServiceStub

    config = OperatorConfig.load(config_path)
    with open_channel(config.matcher, config.tls, config.server_name) as channel, refusals():
        answer = StatusServiceStub(channel).GetStatus(GetStatusRequest())
    click.echo(MessageToJson(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
