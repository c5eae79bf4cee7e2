"""The real package of the protocol, as the peer of tests; it still imports a module that Python is about to drop."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming.asr import Transcribe, Transcript
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient
    from wyoming.event import Event, async_read_event, async_write_event
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping, Pong
    from wyoming.server import AsyncEventHandler, AsyncTcpServer
    from wyoming.tts import Synthesize
    from wyoming.wake import Detect, Detection

__all__ = [
    "AsyncEventHandler",
    "AsyncTcpClient",
    "AsyncTcpServer",
    "AudioChunk",
    "AudioStart",
    "AudioStop",
    "Describe",
    "Detect",
    "Detection",
    "Event",
    "Info",
    "Ping",
    "Pong",
    "Synthesize",
    "Transcribe",
    "Transcript",
    "async_read_event",
    "async_write_event",
]
