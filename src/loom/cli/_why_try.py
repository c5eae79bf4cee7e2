"""`loom why --try`: what the router of a project would decide about a request, with nobody asked and nothing sent."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loom.cli._data_folder import Place, opened
from loom.cli._output import columns, say
from loom.cli._why_lines import clean
from loom.errors import ConfigError
from loom.runtime._router_store import kept_key
from loom.store import Backend, Family
from loom.store.families import after
from loom.store.opening import kind_of

if TYPE_CHECKING:
    from loom.models import Decision, ModelRequest
    from loom.router.keep import Keep
    from loom.runtime import Loom
    from loom.runtime.config import Project

LONGEST = 16 * 1024 * 1024
"""Characters of a text that is tried."""


def describe(parser: argparse.ArgumentParser) -> None:
    """The options of a request that is only tried."""
    group = parser.add_argument_group("a request that is only tried")
    group.add_argument(
        "--try", dest="text", metavar="TEXT", help="what would be asked; - reads it from standard input"
    )
    group.add_argument("--task", default="chat", help="what is asked for (chat)")
    group.add_argument("--label", default="public", help="public, sensitive, private or local-only")
    group.add_argument("--budget", type=float, metavar="MONEY", help="what the request may cost")
    group.add_argument("--quality", type=float, metavar="SHARE", help="the quality that it asks for, 0 to 1")
    group.add_argument("--timeout", type=float, metavar="SECONDS", help="the time that it has")
    group.add_argument("--route", default="auto", help="auto, local, cloud or a model")
    group.add_argument("--profile", default="", help="the policy that it asks for")
    group.add_argument("--max-tokens", type=int, metavar="N", help="how long the answer may be")
    group.add_argument("--stream", action="store_true", help="the answer in pieces")
    group.add_argument(
        "--project", default=".", metavar="PATH", help="the folder of loom.toml, or the file (.)"
    )


def show(options: argparse.Namespace) -> int:
    """Print the decision; 1 when nobody would be asked."""
    decision = asyncio.run(decided(Path(options.project), request_of(options)))
    if options.json:
        say(json.dumps(decision.facts(), indent=2, default=str))
    else:
        from loom.router.explain import table

        for line in table(decision.facts(), columns(120)):
            say(clean(line))
    return 0 if decision.order else 1


def request_of(options: argparse.Namespace) -> ModelRequest:
    """The request that *options* describe; raises ConfigError."""
    from loom.event import Label
    from loom.models import ModelRequest

    try:
        label = Label.parse(options.label)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    text = sys.stdin.read(LONGEST) if options.text == "-" else options.text
    more = {} if options.max_tokens is None else {"max_tokens": options.max_tokens}
    return ModelRequest(
        options.task, text, label, options.timeout, options=more, max_cost=options.budget,
        min_quality=options.quality, route=options.route, profile=options.profile, stream=options.stream,
    )  # fmt: skip


async def decided(file: Path, request: ModelRequest) -> Decision:
    """What the router of the project *file* would decide; its models are made, none of them is started."""
    from loom.clock import Chance, SystemClock
    from loom.router.assembly import Surroundings, make_router
    from loom.router.settings import Settings

    project = await asyncio.to_thread(read, file)
    loom = await asyncio.to_thread(_built, project)
    try:
        with _kept(project) as keep:
            around = Surroundings(SystemClock(), Chance(), lambda topic, payload, request: None, keep)
            routing = make_router(loom.models, around, project.router or Settings())
            await routing.open()
            return await routing.router.decide(request)
    finally:
        await loom.models.close()


def read(file: Path) -> Project:
    """The project in *file*, or the folder of that name; raises ConfigError."""
    from loom.runtime.config import read_project

    return read_project(file)


def _built(project: Project) -> Loom:
    """The runtime of *project* without its store, which may be in use; raises ConfigError."""
    from loom.runtime._config_build import build

    own = ("data", "key", "backend")
    settings = {key: value for key, value in project.settings.items() if key not in own}
    return build(replace(project, settings=settings, journal={}, gateway=None))


@contextmanager
def _kept(project: Project) -> Iterator[Keep | None]:
    """What the router of *project* has spent and learned so far, to be looked at."""
    data = project.settings.get("data")
    if data is None:
        settings = project.router
        yield None if settings is None else _filed(settings.beside(project.folder, stored=False).file)
    elif kind_of(Path(data)) is None:
        yield None  # it never ran
    else:
        with opened(Place(Path(data), project.settings.get("key"))) as backend:
            yield Looking(backend)


def _filed(file: Path | None) -> Keep | None:
    from loom.router.filed_keep import FiledKeep

    return None if file is None else FiledKeep(file)


class Looking:
    """A Keep in a store that is only looked at: nothing is written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def read(self, name: str) -> bytes | None:
        """The value that was written last, None without one. Raises StoreError."""
        return self._backend.get(Family.META, kept_key(name))

    def names(self, prefix: str = "") -> list[str]:
        """The names with a value that begin with *prefix*, sorted. Raises StoreError."""
        space = kept_key("")
        begin = space + prefix.encode()
        return [
            key[len(space) :].decode()
            for key, _ in self._backend.scan(Family.META, begin, after(begin), 100_000)
        ]

    async def write(self, name: str, value: bytes | None) -> None:
        """Nothing: somebody else may be at it."""
