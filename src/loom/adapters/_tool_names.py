"""Names of tools as backends take them: letters, digits, _ and -, while those of Loom have dots. Pure."""

from __future__ import annotations

from loom.adapters._chat_asked import Asked

LONGEST = 64
"""Characters of a name."""


class ToolNames:
    """There and back: ``light.on`` is sent as ``light__on``, and two tools never get one name."""

    def __init__(self, asked: Asked) -> None:
        self._sent: dict[str, str] = {}
        self._back: dict[str, str] = {}
        history = [call.name for turn in asked.turns for call in turn.calls]
        for name in dict.fromkeys([*(tool.name for tool in asked.tools), *history]):
            sent = plain = name.replace(".", "__")[:LONGEST]
            more = 1
            while sent in self._back:
                more += 1
                sent = f"{plain[: LONGEST - 1 - len(str(more))]}_{more}"
            self._sent[name], self._back[sent] = sent, name

    def sent(self, name: str) -> str:
        """*name* as the backend gets it."""
        return self._sent.get(name, name)

    def back(self, sent: str) -> str:
        """The tool that a backend means by *sent*; a name that was never sent stays as it is."""
        return self._back.get(sent, sent)
