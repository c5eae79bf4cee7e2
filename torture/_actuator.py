"""The actuator: a device in another process, which notes what it is asked to do. Knows nothing of Loom."""

from __future__ import annotations

import json
import random
import socketserver
import threading
import time
from pathlib import Path

from torture._oracle import Act


class Actuator(socketserver.ThreadingUnixStreamServer):
    """Listens on a socket; each line is one act, noted at once and answered with a receipt some milliseconds later."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, path: Path, seed: int, slowest: float = 0.02) -> None:
        super().__init__(str(path), _Line)
        self.path = path
        self.acts: list[Act] = []
        self.guard = threading.Lock()
        self.chance = random.Random(seed)
        self.slowest = slowest
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def note(self, name: str, mark: str, key: str) -> tuple[int, float]:
        """The receipt, and the seconds until it is handed over."""
        with self.guard:
            self.acts.append(Act(name, mark, key, len(self.acts)))
            return len(self.acts) - 1, self.chance.random() ** 3 * self.slowest

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that was killed: nobody to answer."""

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()


class _Line(socketserver.StreamRequestHandler):
    server: Actuator

    def handle(self) -> None:
        line = self.rfile.readline()
        if line.endswith(b"\n"):
            receipt, delay = self.server.note(*json.loads(line))
            time.sleep(delay)
            self.wfile.write(b"%d\n" % receipt)
