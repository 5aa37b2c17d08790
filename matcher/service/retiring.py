"""Ends an epoch while the matcher is stopped: what no agency sent again under the current key is removed.

A run that is killed leaves a sound database, and is to be repeated.
"""

import time
from contextlib import closing

from matcher.config import ServerConfig
from matcher.errors import ConfigError, NothingChangedError
from matcher.frame import pack_retirement
from matcher.model import FrameKind
from matcher.pipeline import Pipeline
from matcher.service.auditing import Auditor
from matcher.service.database import open_store
from matcher.service.server import bound_model, check_epochs, scorer_of, settings_of

_TOGETHER = 4096
"""Records removed in one transaction."""


def retire(config: ServerConfig, justification: str, *, remove: bool) -> dict[str, int]:
    """Records still of the previous epoch by agency, those of agencies that left the configuration not counted. With
    `remove`, or if there are none, nothing is left of the epoch afterwards.

    `ConfigError` if no previous epoch is configured; `StoreError` if there is no database, or it is in use."""
    epoch = config.previous_epoch
    if epoch is None:
        raise ConfigError("[matcher]", ["[matcher] previous_epoch: is missing: it names the epoch to retire"])
    if not config.database.exists():
        raise NothingChangedError(f"{config.database} is not there: correct the path in the configuration")
    with closing(open_store(config)) as store, closing(Auditor(config)) as auditor:
        model = bound_model(config, store)
        check_epochs(config, store)
        pipeline = Pipeline(store, scorer_of(config, model), settings_of(config), about_to_commit=auditor.combining)
        pipeline.match_all()
        records = pipeline.registry.of_epoch(epoch)
        owners = pipeline.registry.agencies(records).tolist()
        left = {each.name: owners.count(i) for i, each in enumerate(config.agencies) if i in owners}
        if remove or not left:
            auditor.retiring(epoch, len(records), justification)
            while epoch in store.epochs():
                payload, now = pack_retirement(epoch, _TOGETHER), time.time_ns()
                store.submit("", f"retire-{now}", FrameKind.RETIREMENT, epoch, payload, b"", now // 10**9)
                pipeline.match_all()
            store.drop_caches()
    return left
