"""Which models a server has, as it lists them: the first one's name and context, and the nearest to a wrong name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from loom.adapters._json_fields import count, fields, read_object, rows, text
from loom.adapters._model_call import Call
from loom.adapters._model_errors import Refusal, unknown_model
from loom.adapters._model_http import ModelHttp
from loom.errors import BackendFailed

MOST = 1_000
LOOK = 10.0
"""Seconds that a list of models may take."""

AGAIN = 60.0
"""Seconds until a server that gave no list is asked for it again."""

CONTEXT = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")
"""Where servers write the context of a model: vLLM, and others after it."""


class ServedModels:
    """Asks for the list once it is needed, and again when it was not given; *seen* gets each list."""

    def __init__(
        self,
        http: ModelHttp,
        wanted: str,
        seen: Callable[[list[Mapping[str, Any]]], None] = lambda models: None,
    ) -> None:
        self._http, self._wanted, self._seen = http, wanted, seen
        self._models: list[Mapping[str, Any]] | None = None
        self._looking = asyncio.Lock()
        self._again = self._glance = 0.0

    @property
    def known(self) -> bool:
        """Whether the server has given its list."""
        return self._models is not None

    @property
    def names(self) -> list[str]:
        """The names that the server gives its models; none before it was asked."""
        return [text(each.get("id")) for each in self._models or () if text(each.get("id"))]

    @property
    def context(self) -> int | None:
        """The tokens of context of the wanted model, or of the first; None while nobody has said."""
        models = self._models or []
        chosen = [each for each in models if text(each.get("id")) == self._wanted] or models[:1]
        return context_of(chosen[0]) if chosen else None

    async def first(self, timeout: float) -> str:
        """The first model's name; empty for a server that has no list: it has one model and wants no name."""
        if self._models is None and asyncio.get_running_loop().time() >= self._again:
            try:
                await self.look(min(timeout, LOOK))
            except BackendFailed as error:
                if error.status not in (404, 405, 501) and error.retryable:
                    error.sent = False  # the question for its models was, the request was not
                    raise
                self._again = asyncio.get_running_loop().time() + AGAIN
        return self.names[0] if self.names else ""

    async def look(self, timeout: float = LOOK) -> list[str]:
        """The names, asked for now unless they are known; raises BackendFailed."""
        async with self._looking:
            if self._models is None:
                self._models = await self._asked(timeout)
                self._seen(self._models)
        return self.names

    async def glance(self, http: ModelHttp | None = None) -> None:
        """Ask for the list, by *http* where it is given, unless it is known; it may fail, and then not soon again."""
        async with self._looking:  # who looks already is waited for
            now = asyncio.get_running_loop().time()
            if self._models is not None or now < self._glance:
                return
            self._glance = now + AGAIN
            try:
                self._models = await self._asked(LOOK, http)
            except BackendFailed:
                return  # nothing depends on it
            self._seen(self._models)

    def same(self, asked: str, told: str) -> bool:
        """Whether the list has both names for one model, as vLLM has for each of its --served-model-name."""
        made = {text(each.get("id")): (each.get("root"), each.get("parent")) for each in self._models or ()}
        return bool(text(made.get(asked, ("",))[0])) and made.get(told) == made[asked]

    async def advised(self, error: BackendFailed, said: Refusal, wanted: str) -> BackendFailed:
        """*error*, with the nearest names where it is about the name of the model."""
        if not unknown_model(error.status, said):
            return error
        try:
            self._models = await self._asked(LOOK)  # asked anew: a server may have got other models
        except BackendFailed:
            return error
        names = self.names
        near = get_close_matches(wanted, names, 3, 0.4) or names[:3]
        if not near or wanted in names:
            return error
        advice = f"{error}; it has {', '.join(repr(name) for name in near)}"
        return BackendFailed(advice[:1000], retryable=False, status=error.status)

    async def _asked(self, timeout: float, http: ModelHttp | None = None) -> list[Mapping[str, Any]]:
        who = self._http.who
        async with (http or self._http).open(Call("/models", method="GET"), timeout) as exchange:
            if exchange.status != 200:
                raise BackendFailed(
                    f"{who} answered {exchange.status} to a question for its models",
                    retryable=exchange.status >= 500,
                    status=exchange.status,
                )
            body = await exchange.read()
        try:
            return [fields(each) for each in rows(read_object(body, who).get("data"))][:MOST]
        except BackendFailed:
            return []  # whatever it is, it is no list


def context_of(model: Mapping[str, Any]) -> int | None:
    """The tokens of context in an entry of a list of models, None where it does not say."""
    for name in CONTEXT:
        if found := count(model.get(name)):
            return found
    meta = fields(model.get("meta"))  # llama-server
    return count(meta.get("n_ctx")) or count(meta.get("n_ctx_train")) or None
