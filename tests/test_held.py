"""What memory keeps of a frame: little of each, since there may be as many as records."""

import gc

import numpy as np

from matcher.frame import pack_records
from matcher.held import HeldFrames
from matcher.model import Frame, FrameKind
from matcher.store.memory import MemoryStore

from .factory import ANNA, EPOCH, TODAY, Sighting, tokens


def test_a_frame_is_one_object_to_the_garbage_collector() -> None:
    batch = tokens("police", Sighting("p", ANNA))
    payload, held = pack_records(batch), HeldFrames(MemoryStore())
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1, 1001):
        frame = Frame(number, "police", FrameKind.RECORDS, EPOCH, payload, TODAY, False)
        held.add(frame, batch, np.array([number]))
    gc.collect()
    assert len(gc.get_objects()) - before < 1100
