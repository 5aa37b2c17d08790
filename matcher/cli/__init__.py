"""The command line. Each command is thin: it reads configuration, calls one module, and prints.

Start-up matters at a prompt, so commands import what they need when they run.
"""

import click

from matcher.cli import agency, audit, case, coordinator, evaluate, link, setup, train
from matcher.cli import server as server_commands

main = click.Group(
    name="matcher",
    help="Finds people known to two or more agencies from pseudonymised tokens, and tells only the coordinator.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for command in (
    setup.keygen,
    setup.pki,
    agency.validate,
    agency.tokenise,
    agency.feed,
    train.calibrate,
    server_commands.serve,
    server_commands.status,
    server_commands.backup,
    server_commands.restore,
    server_commands.rekey,
    server_commands.retire_epoch,
    server_commands.drop_frame,
    audit.audit,
    train.train,
    coordinator.alerts,
    case.cases,
    link.link,
    evaluate.evaluate,
):
    main.add_command(command)
