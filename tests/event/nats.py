"""A real nats-server on loopback and the few words of its protocol that a comparison needs."""

import json
import re
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

BINARY = Path(sys.executable).parent / "nats-server"


@contextmanager
def nats_server() -> Iterator["Nats"]:
    """Start a server on a free port, connect to it, and make sure it is the one that was started."""
    name = f"loom-{secrets.token_hex(8)}"
    command = [str(BINARY), "-a", "127.0.0.1", "-p", "-1", "-n", name]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            port = _port(process)
            drain = threading.Thread(target=process.stderr.read)  # type: ignore[union-attr]
            drain.start()
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                with connection.makefile("rb") as stream:
                    yield Nats(connection, stream, name)
        finally:
            process.terminate()
        drain.join()


def _port(process: "subprocess.Popen[str]") -> int:
    seen = []
    for line in process.stderr or ():
        seen.append(line)
        found = re.search(r"Listening for client connections on 127\.0\.0\.1:(\d+)", line)
        if found:
            return int(found[1])
    raise RuntimeError("nats-server did not start:\n" + "".join(seen))


class Nats:
    """One connection. Everything is sent at once and read up to the answer to the last PING."""

    def __init__(self, connection: socket.socket, stream: BinaryIO, name: str) -> None:
        self._socket = connection
        self._stream = stream
        info = json.loads(self._line().removeprefix("INFO "))
        if info["server_name"] != name:
            raise RuntimeError(f"another server answers: {info['server_name']}")
        self._send('CONNECT {"verbose":false,"pedantic":true,"name":"loom"}\r\n')

    def subscribable(self, patterns: Iterable[str]) -> list[bool]:
        """Whether the server accepts each as the subject of a subscription."""
        asked = list(patterns)
        told = [f"SUB {p} {n}\r\nPING\r\nUNSUB {n}\r\n" for n, p in enumerate(asked)]
        self._send("".join(told))
        return [self._accepted("Invalid Subject") for _ in asked]

    def publishable(self, topics: Iterable[str]) -> list[bool]:
        """Whether the server accepts each as the subject of a message."""
        asked = list(topics)
        self._send("".join(f"PUB {t} 0\r\n\r\nPING\r\n" for t in asked))
        return [self._accepted("Invalid Publish Subject") for _ in asked]

    def deliveries(self, patterns: list[str], topics: list[str]) -> list[set[int]]:
        """For each topic the indices of the patterns that got its message."""
        subscribe = "".join(f"SUB {p} {n}\r\n" for n, p in enumerate(patterns))
        publish = "".join(f"PUB {t} {len(str(n))}\r\n{n}\r\n" for n, t in enumerate(topics))
        unsubscribe = "".join(f"UNSUB {n}\r\n" for n in range(len(patterns)))
        self._send(f"{subscribe}{publish}{unsubscribe}PING\r\n")
        got: list[set[int]] = [set() for _ in topics]
        while (line := self._line()) != "PONG":
            word, _, sid, _ = line.split(" ")
            assert word == "MSG", line
            which = got[int(self._line())]
            assert int(sid) not in which, "one subscription got one message twice"
            which.add(int(sid))
        return got

    def _accepted(self, complaint: str) -> bool:
        """Read up to the next PONG; a server repeats a complaint when a read has split the message."""
        accepted = True
        while (line := self._line()) != "PONG":
            assert complaint in line, line
            accepted = False
        return accepted

    def _send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def _line(self) -> str:
        line = self._stream.readline().decode().removesuffix("\r\n")
        if line == "PING":  # the server wants to know whether we live, whenever it likes
            self._send("PONG\r\n")
            return self._line()
        if not line:
            raise ConnectionError("the server went away")
        return line
