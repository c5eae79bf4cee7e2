"""A worker for models that are none."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from loom.worker import Handler, Host


def factory(host: Host) -> Mapping[str, Handler]:
    """One method for each way a model ends."""
    return {
        "echo": lambda body, call: body,
        "die": lambda body, call: os.kill(os.getpid(), signal.SIGKILL),
        "wait": lambda body, call: call.wait(3600),
        "fail": lambda body, call: 1 // 0,
    }
