"""The way of the first Loom still works: start, publish on the bus, stop."""

import pytest

from loom import Event, Loom


@pytest.mark.blocks("a Loom that stops joins the thread of its watchdog")
async def test_the_bus_of_a_started_loom_takes_a_topic_and_an_event() -> None:
    loom = Loom()
    await loom.start()
    try:
        subscription = loom.bus.subscribe("camera.front.face")
        sent = Event("face_event", {"score": 0.92}, source="camera.front")
        assert await loom.bus.publish("camera.front.face", sent) is sent
        assert await subscription.take() is sent
        assert sent.topic == "camera.front.face"
    finally:
        await loom.stop()
