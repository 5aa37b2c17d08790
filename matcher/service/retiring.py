"""Ends an epoch while the matcher is stopped: what no agency sent again under the current key is removed.

A run that is killed leaves a sound database, and is to be repeated.
"""

import time
from contextlib import closing

from matcher.config import ServerConfig
from matcher.errors import ConfigError, NothingChangedError
from matcher.frame import pack_retirement, unpack_records
from matcher.model import FrameKind
from matcher.pipeline import Pipeline
from matcher.service.auditing import Auditor
from matcher.service.database import open_store
from matcher.service.server import bound_model, check_agencies, check_epochs, scorer_of, settings_of
from matcher.store.base import Store

_TOGETHER = 4096
"""Records removed in one transaction."""


def retire(config: ServerConfig, justification: str, *, remove: bool) -> dict[str, int]:
    """Records still of the previous epoch by agency, those of agencies that left the configuration too. With `remove`,
    or if there are none, nothing is left of the epoch afterwards.

    `ConfigError` if no previous epoch is configured; `StoreError` if there is no database, or it is in use."""
    epoch = config.previous_epoch
    if epoch is None:
        raise ConfigError("[matcher]", ["[matcher] previous_epoch: is missing: it names the epoch to retire"])
    if not config.database.exists():
        raise NothingChangedError(f"{config.database} is not there: correct the path in the configuration")
    with closing(open_store(config)) as store, closing(Auditor(config)) as auditor:
        model = bound_model(config, store)
        check_epochs(config, store)
        check_agencies(config, store)
        pipeline = Pipeline(store, scorer_of(config, model), settings_of(config), about_to_commit=auditor.combining)
        pipeline.match_all()
        records = pipeline.registry.of_epoch(epoch)
        owners = pipeline.registry.agencies(records).tolist()
        left = {each.name: owners.count(i) for i, each in enumerate(config.agencies) if i in owners}
        left |= _of_absent_agencies(store, epoch, {agency.name for agency in config.agencies})
        if remove or not left:
            auditor.retiring(epoch, sum(left.values()), justification)
            while epoch in store.epochs():
                payload, now = pack_retirement(epoch, _TOGETHER), time.time_ns()
                store.submit("", f"retire-{now}", FrameKind.RETIREMENT, epoch, payload, b"", now // 10**9)
                pipeline.match_all()
            store.drop_caches()
    return left


def _of_absent_agencies(store: Store, epoch: int, named: set[str]) -> dict[str, int]:
    """Records of an epoch whose agencies are not configured, by agency: memory knows nothing of them."""
    left: dict[str, int] = {}
    for frame_id in store.epochs().get(epoch, []):
        (frame,) = store.frames_after(frame_id - 1, 1)
        if frame.agency not in named:
            batch = unpack_records(frame.payload, epoch)
            left[frame.agency] = left.get(frame.agency, 0) + int(batch.aliases.any(axis=1).sum())
    return left
