import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.config import ServerConfig
from matcher.model import ConfidenceBand
from matcher.scoring.decision import Thresholds, confidence, probability, weight_of


@given(st.floats(0.001, 0.999))
def test_weight_and_probability_are_inverse(p):
    assert probability(weight_of(p)) == pytest.approx(p)


def test_far_weights_do_not_overflow():
    assert probability(np.array([-1000, 1000], np.float32)) == pytest.approx([0.0, 1.0])


def test_thresholds_are_the_odds():
    thresholds = Thresholds(match=0.8, possible=0.5)
    assert (thresholds.possible_weight, thresholds.match_weight) == pytest.approx((0.0, 2.0))


def test_bands():
    weights = [weight_of(p) for p in (0.95, 0.9901, 0.99991)]
    assert confidence(np.array(weights, np.float32)).tolist() == [
        ConfidenceBand.MODERATE,
        ConfidenceBand.HIGH,
        ConfidenceBand.VERY_HIGH,
    ]


def test_the_server_s_defaults_are_the_same():
    fields = ServerConfig.__dataclass_fields__
    assert fields["match_probability"].default == Thresholds().match
    assert fields["possible_probability"].default == Thresholds().possible
