"""Where a connection really goes: a name is looked up once, judged, and connected to by the address that was judged."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from loom.adapters._egress import Address, Rules, Target, literal, refuse_addresses, refuse_host
from loom.errors import EgressRefused, RemoteFailed

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_MOST = 8


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of *host* by the machine's own resolver; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def pin(target: Target, rules: Rules, resolve: Resolve = look_up) -> list[Address]:
    """The addresses that *target* may be reached at, at most 8; raises EgressRefused, RemoteFailed.

    One that the rules refuse refuses them all: a name that is at home inside and outside is nobody's mistake.
    """
    if why := refuse_host(target, rules):
        raise EgressRefused(why)
    address = target.address
    addresses = [address] if address is not None else await _addresses(target, resolve)
    if why := refuse_addresses(target, addresses, rules):
        raise EgressRefused(why)
    return addresses[:_MOST]


async def _addresses(target: Target, resolve: Resolve) -> list[Address]:
    try:
        texts = await resolve(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise RemoteFailed(f"{target.host!r} cannot be looked up: {type(error).__name__}") from None
    found = [address for text in dict.fromkeys(texts) if (address := literal(text)) is not None]
    if not found:
        raise RemoteFailed(f"{target.host!r} has no address")
    return found


async def open_socket(target: Target, addresses: Sequence[Address], timeout: float) -> socket.socket:
    """A connected socket to the first of *addresses* that answers within *timeout* seconds; raises RemoteFailed."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            for address in addresses:
                family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
                made = socket.socket(family, socket.SOCK_STREAM)
                made.setblocking(False)
                try:
                    await loop.sock_connect(made, (str(address), target.port))
                    return made
                except OSError:
                    made.close()
                except BaseException:  # cancelled too: nobody else closes it
                    made.close()
                    raise
    except TimeoutError:
        raise RemoteFailed(f"{target.netloc} did not answer within {timeout} s") from None
    raise RemoteFailed(f"{target.netloc} cannot be connected to")
