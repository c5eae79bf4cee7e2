"""The parts of the camera demo: what is measured, when it counts as proven, how it is shown."""

import dataclasses
from collections import Counter
from typing import Any

import pytest

from loom import Event, QoS
from loom.adapters.camera import Shot
from loom.bus import QueueStatistics
from loom.cli._camera_agents import FACES, FRAMES, PAGES, library
from loom.cli._camera_run import Plan, Reading
from loom.cli._meter import Meter
from loom.cli._rate import Speed, Speedometer
from loom.cli._screen import line, live, losses, summary
from loom.cli._verdict import verdict


def queue(name: str, **counts: Any) -> QueueStatistics:
    """A queue's statistics that balance, with these counts."""
    zero = dict.fromkeys(
        ("refused", "queued", "in_flight", "merged", "dropped", "expired", "cancelled", "waiting"), 0
    )
    made = {**zero, "capacity": 64, "delivered": 10, "dropped_by": {}, **counts}
    ends = ("queued", "in_flight", "delivered", "merged", "dropped", "expired", "cancelled")
    accepted = made.pop("accepted", sum(made[end] for end in ends))
    return QueueStatistics(
        name=name, qos=QoS.REALTIME, offered=accepted + made["refused"], accepted=accepted, **made
    )


def shot(faces: int | None, name: str = "a.png", captured: float = 0.0) -> Shot:
    return Shot(None, 0, name, faces, 0, captured, 0)  # type: ignore[arg-type]


def looked(meter: Meter, picture: Shot, found: int) -> None:
    """What the meter sees of one frame in which so many faces were found."""
    frame = Event("frame", picture, topic=FRAMES)
    meter.routed(frame, 1)
    if found:
        face = Event(
            "face", {"faces": [{}] * found, "captured": picture.captured}, topic=FACES, cause=frame.id
        )
        meter.routed(face, 1)
        meter.step_ended("Greeter", face, "committed", 0.0)
    meter.step_ended("Detector", frame, "committed", 0.0)


def proven() -> Reading:
    """A run in which everything held."""
    now = [0.0]
    meter = Meter(lambda: now[0])
    for phase in ("quiet", "flood"):
        meter.enter(phase)
        for _ in range(20):
            now[0] += 1.0
            looked(meter, shot(1, captured=now[0] - 0.02), 1)
    page = Event("page", "text", topic=PAGES)
    meter.routed(page, 1)
    now[0] += 0.3
    meter.step_ended("Librarian", page, "committed", 0.0)
    worker = {"running": 1, "pid": 7, "deaths": 0}
    return Reading(
        seconds=20.0, of_seconds=20.0, phase="flood", meter=meter, queues=[queue("Detector.look", merged=3)],
        workers={"camera": worker, "faces": worker}, memory={"runtime": 37_000_000, "camera": 35_000_000}, said_count=2,
        actions={"done": 2}, said=["Hello!"],
    )  # fmt: skip


def failed(last: Reading) -> list[str]:
    return [check.text for check in verdict(last) if not check.ok]


def test_a_run_in_which_everything_held_is_proven() -> None:
    assert failed(proven()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"left": 3}, "accepted events left undone: 3"),
        ({"dead_letters": 1}, "steps that failed: 0, dead letters: 1"),
        ({"actions": {"done": 1}}, "every greeting was spoken: 2"),
        ({"queues": [queue("Greeter.greet", accepted=99)]}, "the books do not balance: Greeter.greet"),
        ({"meter": Meter()}, "frames went through the detector: 0"),
    ],
)
def test_each_claim_that_did_not_hold_is_told(change: dict[str, Any], said: str) -> None:
    assert said in failed(dataclasses.replace(proven(), **change))


def test_greetings_that_the_flood_made_late_are_told() -> None:
    last = proven()
    for _ in range(20):
        last.meter.realtime["flood"].add(0.5)
    assert [text.partition(":")[0] for text in failed(last)] == ["the flood did not make it late"]


def test_wrong_numbers_of_faces_are_told() -> None:
    last = proven()
    for _ in range(5):
        looked(last.meter, shot(0), 1)
    assert failed(last)[0].startswith("the right number of faces in 88.9% of 45 frames")
    assert last.meter.false == 5


def test_durations_begin_at_the_camera_and_settling_is_left_out() -> None:
    now = [100.0]
    meter = Meter(lambda: now[0])
    looked(meter, shot(1, captured=100.4), 1)
    now[0] = 100.5
    meter.enter("flood")
    looked(meter, shot(1, captured=100.4), 1)
    assert meter.realtime["flood"].count == 0
    now[0] = 101.0
    looked(meter, shot(1, captured=100.9), 1)
    assert meter.realtime["flood"].count == 1
    assert meter.realtime["flood"].maximum == pytest.approx(0.1)
    assert meter.realtime["quiet"].count == 0
    meter.leave()
    looked(meter, shot(1, captured=100.9), 1)
    assert meter.realtime["flood"].count == 1


def test_faces_of_unknown_pictures_are_counted_by_picture_and_not_judged() -> None:
    meter = Meter()
    for found in (1, 1, 2):
        looked(meter, shot(None, "me.jpg"), found)
    looked(meter, shot(None, "cat.jpg"), 0)
    assert meter.pictures == {"me.jpg": Counter({1: 2, 2: 1}), "cat.jpg": Counter({0: 1})}
    assert (meter.found, meter.judged) == (4, 0)


def test_a_step_that_failed_is_no_frame_that_was_looked_at() -> None:
    meter = Meter()
    meter.step_ended("Detector", Event("frame", shot(1), topic=FRAMES), "failed", 0.0)
    assert (meter.failed, meter.looked_at) == (1, 0)


@pytest.mark.parametrize("width", [40, 57, 80, 100])
def test_every_line_of_the_view_and_the_summary_fits(width: int) -> None:
    last = proven()
    last.unreadable, last.unreadable_count = (
        ["/a/very/long/path/" + "x" * 60 + ".png cannot be read: OSError"],
        1,
    )
    shown = [*live(last, width, Speed(30, 16_000, 17_000)), *summary(last, verdict(last), width)]
    assert max(map(len, shown)) <= width
    text = " ".join(shown)
    for words in (
        "frames",
        "REALTIME greeting",
        "BACKGROUND page",
        "3 merged",
        "17,000/s",
        "workers",
        "memory",
        "Hello!",
    ):
        assert words in text


def test_the_summary_lists_the_users_pictures_and_stops_at_twelve() -> None:
    meter = Meter()
    for number in range(15):
        looked(meter, shot(None, f"{number:02}.jpg"), number % 3)
    shown = summary(dataclasses.replace(proven(), meter=meter), [], 80)
    text = "\n".join(shown)
    assert "00.jpg: no face\n" in text
    assert "01.jpg: 1 face\n" in text
    assert "02.jpg: 2 faces\n" in text
    assert "12.jpg" not in text
    assert "and 3 more" in text


def test_a_worker_that_died_is_shown() -> None:
    last = proven()
    last.workers["faces"] = {"running": 0, "pid": 0, "deaths": 2}
    assert any("faces not running, died 2 times" in each for each in live(last, 80, Speed(0, 0, 0)))


def test_the_plain_line_has_rates_and_latency_of_its_phase() -> None:
    text = line(proven(), Speed(30, 1_600, 1_700))
    assert text.startswith(" 20.0 s · 40 frames (30/s) · 40 faces · REALTIME p50 ")
    assert text.endswith("flood 1 pages (1,600/s)")


def test_losses_are_told_by_reason() -> None:
    assert losses(queue("q", merged=1, dropped=2, dropped_by={"shed": 2}, refused=4)) == {
        "shed": 2,
        "merged": 1,
        "refused": 4,
    }


def test_speed_is_the_growth_over_the_last_readings() -> None:
    reading, speed = proven(), Speedometer(readings=2)
    speed(dataclasses.replace(reading, seconds=10.0))
    reading.meter.frames += 60
    assert speed(dataclasses.replace(reading, seconds=12.0)).frames == pytest.approx(100 / 12)
    reading.meter.frames += 60
    assert speed(dataclasses.replace(reading, seconds=14.0)).frames == pytest.approx(30)


def test_the_plan_takes_turns_and_ends_in_time() -> None:
    phases = Plan(seconds=20.0).phases
    assert [name for name, _ in phases] == ["quiet", "flood"] * 5
    assert sum(seconds for _, seconds in phases) == pytest.approx(20.0)


def test_there_are_pages_enough_to_index() -> None:
    assert len(library()) >= 64
    assert all(library())
