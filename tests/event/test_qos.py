"""Three classes, their order and their default queues."""

import pytest

from loom.event import QoS


def test_the_classes_are_ordered_by_urgency_and_have_queues_of_their_own_size() -> None:
    assert sorted(QoS, key=lambda qos: qos.rank) == [QoS.REALTIME, QoS.BATCHED, QoS.BACKGROUND]
    assert [qos.default_capacity for qos in QoS] == [64, 1024, 4096]


def test_a_class_is_its_word() -> None:
    assert QoS("batched") is QoS.BATCHED
    assert f"{QoS.REALTIME}" == "realtime"
    with pytest.raises(ValueError, match="urgent"):
        QoS("urgent")
