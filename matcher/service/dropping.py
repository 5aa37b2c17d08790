"""Takes the frame that matching fails at out of the way of those behind it, while the matcher is stopped.

What it held is overwritten, as of a frame that was matched and of which nothing is needed. Whoever sent it was told
that it is kept: it must be sent again, once the matcher is mended.
"""

from contextlib import closing
from dataclasses import replace

from matcher.config import ServerConfig
from matcher.errors import NothingChangedError
from matcher.model import Frame, FrameKind, MatchOutcome
from matcher.service.auditing import Auditor
from matcher.service.database import open_store


def drop(config: ServerConfig, frame_id: int, justification: str) -> Frame:
    """The frame dropped, without what it held. `NothingChangedError` if it is not the next to be matched or closes a
    case, `StoreError` if there is no database or it is in use, `AuditError` if it cannot be noted."""
    if not config.database.exists():
        raise NothingChangedError(f"{config.database} is not there: correct the path in the configuration")
    with closing(open_store(config)) as store, closing(Auditor(config)) as auditor:
        waiting = store.frames_after(store.matched_through, 1)
        if [frame.frame_id for frame in waiting] != [frame_id]:
            found = f"the next is {waiting[0].frame_id}" if waiting else "none waits"
            raise NothingChangedError(f"frame {frame_id} is not the next one to be matched: {found}")
        frame = replace(waiting[0], payload=b"")
        if frame.kind is FrameKind.CLOSURE:
            raise NothingChangedError("the frame closes a case, which would stay half closed: it cannot be dropped")
        auditor.dropping(frame, justification)
        store.commit_matching(MatchOutcome(frame_id, emptied=[frame_id], today=store.today))
        store.drop_caches()
    return frame
