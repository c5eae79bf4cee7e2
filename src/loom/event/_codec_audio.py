"""Sound as bytes and back: its samples, and a content type that says the rest. Standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loom.errors import InvalidEvent
from loom.event._codec_buffer import parameters

if TYPE_CHECKING:
    from loom.event.audio import Audio

CONTENT_TYPE = "audio/x-loom-pcm"


def is_audio(payload: object) -> bool:
    """Whether *payload* is sound."""
    return getattr(payload, "__loom_audio__", False) is True


def describe(audio: Audio) -> str:
    """The content type that *parse* turns back into everything but the samples."""
    format = f"rate={audio.rate}; channels={audio.channels}; width={audio.width}"
    place = f"number={audio.number}; at={audio.at!r}; captured={audio.captured_ms}; last={int(audio.last)}"
    return f"{CONTENT_TYPE}; {format}; {place}"


def parse(content_type: str, data: bytes) -> Audio:
    """The sound that *content_type* says *data* is; raises InvalidEvent when it says nothing usable."""
    from loom.event.audio import Audio  # late: most programs know no sound

    fields = parameters(content_type)
    try:
        return Audio(
            data,
            rate=int(fields["rate"]),
            channels=int(fields.get("channels", 1)),
            width=int(fields.get("width", 2)),
            number=int(fields.get("number", 0)),
            at=float(fields.get("at", 0)),
            captured_ms=int(fields.get("captured", 0)),
            last=fields.get("last", "0") == "1",
        )
    except (ValueError, KeyError) as error:
        raise InvalidEvent(f"content type {content_type[:100]!r} of sound: {error}") from None
