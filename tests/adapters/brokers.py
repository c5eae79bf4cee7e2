"""Real MQTT brokers on loopback, started by the test: nats-server, and mosquitto where it is installed."""

import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

NATS = Path(sys.executable).parent / "nats-server"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@dataclass
class Broker:
    """A running broker; ``stop`` ends it, the same configuration may be started again on the same port."""

    port: int
    process: "subprocess.Popen[str]"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def nats(folder: Path, port: int = -1, *, password: str = "", tls: bool = False) -> Iterator[Broker]:
    """nats-server with JetStream, which its MQTT needs; the port is the one that this very process tells."""
    lines = [
        f"server_name: loom-{secrets.token_hex(8)}",
        'listen: "127.0.0.1:-1"',
        f'jetstream {{ store_dir: "{folder / "js"}", max_file_store: 100MB }}',
    ]
    inner = f'listen: "127.0.0.1:{port}"'
    if tls:
        certificate(folder)
        inner += f', tls {{ cert_file: "{folder / "cert.pem"}", key_file: "{folder / "key.pem"}" }}'
    lines.append(f'mqtt {{ {inner}, ack_wait: "2s" }}')  # it sends again only then, not to whoever comes back
    if password:
        lines.append(f'authorization {{ user: "loom", password: "{password}" }}')
    config = folder / "nats.conf"
    config.write_text("\n".join(lines))
    with started([str(NATS), "-c", str(config)], r"MQTT clients on \w+://127\.0\.0\.1:(\d+)") as broker:
        yield broker


@contextmanager
def mosquitto(folder: Path, port: int = 0) -> Iterator[Broker]:
    """mosquitto on a port that was free; it ends at once when it is not, and says on which it listens."""
    assert MOSQUITTO
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port or free_port()} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\npersistence false\n"
    )
    said = r"Opening ipv4 listen socket on port (\d+)"
    with started([MOSQUITTO, "-c", str(config), "-v"], said, until=r"running") as broker:
        yield broker


@contextmanager
def started(command: list[str], port: str, until: str = "") -> Iterator[Broker]:
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        drain = threading.Thread(target=lambda: process.stderr.read())  # type: ignore[union-attr]
        try:
            broker = Broker(_told(process, port, until), process)
            drain.start()
            yield broker
        finally:
            process.kill()
            process.wait()
            if drain.ident:
                drain.join()


def _told(process: "subprocess.Popen[str]", port: str, until: str) -> int:
    seen, found = [], 0
    for line in process.stderr or ():
        seen.append(line)
        if match := re.search(port, line):
            found = int(match[1])
        if found and re.search(until, line):
            return found
    raise RuntimeError("the broker did not start:\n" + "".join(seen))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def certificate(folder: Path) -> None:
    """A certificate for the name ``broker.test``, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker.test")])
    names = x509.SubjectAlternativeName(
        [x509.DNSName("broker.test"), x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.9"))]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
