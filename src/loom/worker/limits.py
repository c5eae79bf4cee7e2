"""What a worker may use and how long the host waits for it."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Bounds of one worker: times in seconds, sizes in bytes, counts per worker unless said otherwise."""

    max_frame: int = 16 * MIB
    """The longest message either way; bigger things go through an arena."""
    pending: int = 64
    """Calls waiting, per QoS class; one more raises WorkerRefused."""
    pending_bytes: int = 64 * MIB
    """Bodies of all waiting calls together."""
    start_timeout: float = 60.0
    """From the start of the process to its Hello; importing a model runtime on a cold disk is slow."""
    cancel_grace: float = 1.0
    """From Cancel to the answer; then the process is killed."""
    stop_grace: float = 2.0
    """From Shutdown to the exit; then the process is killed."""
    idle: float | None = None
    """Without a call for so long, the process ends; the next call starts it again. None: it stays."""
    heartbeat: float = 1.0
    heartbeat_timeout: float = 15.0
    """Silence of a busy worker that means it is stopped or gone."""
    backoff_first: float = 0.1
    backoff_max: float = 30.0
    output_lines: int = 200
    """Last lines of stdout and stderr that are kept."""
