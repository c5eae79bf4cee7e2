"""The worker's side of the frame benchmarks: copies a picture into each slot it gets, with its number at both ends."""

from collections.abc import Iterator, Mapping
from typing import Any

from loom.worker import CallContext, Handler, Host

STAMP = 8


def factory(host: Host) -> Mapping[str, Handler]:
    """`produce` streams frames, `check` reads both ends of one and says whether they agree."""

    def produce(body: Any, call: CallContext) -> Iterator[object]:
        writer = host.writer("frames")
        picture = memoryview(bytes(body["size"]))
        number = 0
        while number < body["count"] and not call.cancelled:
            if not writer.free or call.credit <= 0:
                call.listen(1.0)
                continue
            slot = writer.slot()
            assert slot is not None
            slot.view[: body["size"]] = picture
            stamp = number.to_bytes(STAMP, "little")
            slot.view[:STAMP] = slot.view[body["size"] - STAMP : body["size"]] = stamp
            yield {"frame": slot.frame(body["shape"]), "number": number}
            number += 1

    return {"produce": produce, "check": lambda body, call: ends(body.view())}


def ends(view: memoryview) -> int:
    """The number of the frame; raises when its two ends disagree: a torn read."""
    first, last = view[:STAMP], view[-STAMP:]
    if first != last:
        raise AssertionError(f"torn frame: {bytes(first)!r} and {bytes(last)!r}")
    return int.from_bytes(first, "little")
