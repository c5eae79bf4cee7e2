"""The gateway: Loom's models for any program that speaks OpenAI's or Anthropic's HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from loom.adapters import Source
from loom.clock import SystemClock
from loom.errors import ConfigError, MissingExtra
from loom.router.budget import Limit
from loom.web.client import Client, Purse
from loom.web.door import Door
from loom.web.endpoints import ENDPOINTS, pages
from loom.web.keyring import Keyring
from loom.web.keys import KeyFile, Ring
from loom.web.serving import Serving
from loom.web.settings import Settings
from loom.web.upstream import Upstream


class Gateway:
    """Serves the models of *loom* over HTTP: ``async with Gateway(loom) as gateway: print(gateway.url)``.

    It is a host of the runtime: after ``loom.add(gateway)`` it starts and ends with it. *settings* say where it
    listens and for whom; the file of keys is seen from *home*. Raises ConfigError for settings that cannot be, and for
    an address that others can reach while there is no key.
    """

    name = "gateway"

    def __init__(self, loom: Any, settings: Settings | None = None, home: str | Path = ".") -> None:
        self.settings = settings or Settings()
        clock = getattr(loom, "clock", None) or SystemClock()
        self._keyring = Keyring(KeyFile(Path(home, self.settings.keys)), clock.monotonic)
        self._check_reach()
        self._upstream = Upstream(loom)
        self._serving = Serving(self._upstream, self.settings, clock.now_ms)
        self._loom = loom
        self._purses: frozenset[Purse] = frozenset()
        self._serving.counts = self._counts
        self._expect_budgets(Path(home))
        self._server: Any = None
        self._starting = asyncio.Lock()

    def _check_reach(self) -> None:
        if self.settings.is_loopback() or len(self.ring):
            return
        raise ConfigError(
            f"host = {self.settings.host!r} can be reached by others, and there is no key in "
            f"{self._keyring.file.path}; make one first: loom gateway key NAME, or listen on 127.0.0.1"
        )

    def _expect_budgets(self, home: Path) -> None:
        """Have the router count the budgets of the keys there are and of those to come, over restarts."""
        try:
            self._count_budgets()
        except ConfigError:
            if self._limited():
                raise
            return  # whoever asked before had no budgets: keys with one are refused until the next start
        models = self._loom.models
        models.settings = models.settings.beside(home, False)  # a store goes before that file

    def _count_budgets(self) -> None:
        """Have the router count the budgets of the keys that count now; raises ConfigError if it counts none."""
        limited = self._limited()
        before = [_budget_of(name) for name, *_ in self._purses]
        self._loom.models.limit([limit_of(each) for each in limited], before)
        self._purses = frozenset(each.purse for each in limited)

    def _limited(self) -> list[Client]:
        return [each for each in self.ring.clients.values() if each.budget is not None]

    def _counts(self, client: Client) -> bool:
        """Whether the budget of *client* is counted: if it is new, from now on."""
        if client.purse not in self._purses:
            with suppress(ConfigError):
                self._count_budgets()
        return client.purse in self._purses

    async def start(self) -> None:
        """Listen, unless it does; raises ConfigError when the port is taken."""
        async with self._starting:
            if self._server is None:
                await self._loom.models.open()
                server = await self._made()
                await server.start()
                self._server = server

    async def _made(self) -> Any:
        application, server = await asyncio.to_thread(
            _parts
        )  # 0.2 s of imports, which the loop does not have
        label, clearance = self.settings.levels()
        anybody = Client("", clearance, label) if self.settings.is_loopback() else None
        door = Door(self.settings.hosts, self.settings.origins, anybody)
        app = application(self._serving, ENDPOINTS, pages(self._upstream), door, self._keyring.now)
        return server(app, self.settings)

    async def close(self) -> None:
        """Take nothing new, finish what runs within ``drain`` seconds, end the rest."""
        self._serving.open = False
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    @property
    def url(self) -> str:
        """Where it listens: http://127.0.0.1:8420, without the /v1 of OpenAI's clients."""
        if self._server is None or self._server.address is None:
            raise ConfigError("the gateway does not listen; start it first")
        host, port = self._server.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def ring(self) -> Ring:
        """The keys that count now."""
        return self._keyring.ring

    def sources(self) -> Iterable[Any]:
        """One that publishes nothing: while it is muted, and as soon as the runtime drains, requests are refused."""
        return (Source(self.name, self._admitting),)

    async def _admitting(self, out: Any) -> None:
        self._serving.open = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._serving.open = False

    def sinks(self) -> Iterable[Any]:
        """Nothing is done."""
        return ()

    def statistics(self) -> Mapping[str, int]:
        """How many requests run, were answered, were refused, and were left by their clients."""
        serving = self._serving
        counts = {"running": serving.running, "served": serving.served}
        return {**counts, "refused": serving.refused, "left": serving.gone}

    async def __aenter__(self) -> Gateway:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def gateway(loom: Any, home: str | Path, table: Mapping[str, Any]) -> Gateway:
    """The gateway of a project: the ``[gateway]`` *table* of its file in the folder *home*; raises ConfigError."""
    known = {each.name for each in fields(Settings)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in table.items()
        if name in known
    }
    return Gateway(loom, Settings(**values), home)


def limit_of(client: Client) -> Limit:
    """The budget of a key, as the router counts it: reserved before a request, whatever other budgets there are."""
    per = ("day",) if client.period == "day" else ()
    return Limit(_budget_of(client.name), per, (client.agent,), money=client.budget)


def _parts() -> tuple[Any, Any]:
    try:
        import loom.router.assembly  # noqa: F401 - so that the loop need not
        from loom.web._app import Application
        from loom.web._server import Server
    except ImportError as error:
        raise MissingExtra("web", error.name or "starlette") from error
    return Application, Server


def _budget_of(key: str) -> str:
    return f"key {key}"
