"""Any English phrase as a wake word: keyphrase spotting of CMU Sphinx. Runs in a worker.

Needs no training, and is less sure than a network trained for its phrase: long phrases work best.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from loom.errors import ModelFailed
from loom.models._pcm import BYTES_PER_SECOND, pcm_of
from loom.models._request import Asked, WorkerHost, check, number
from loom.models._sessions import Sessions
from loom.models._sphinx import decoder

SPEC = "loom.models.keyphrase:factory"
PHRASE = "hey loom"
THRESHOLD = 1e-20
STEP = BYTES_PER_SECOND // 50
MOST_SESSIONS = 4  # each has a decoder of its own, 40 MB
ANEW = 60 * BYTES_PER_SECOND
_PHRASE = re.compile(r"[a-z']+(?: [a-z']+){0,7}")


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """The method `wake`: pcm to [{"phrase", "score" 0..1, "at": seconds since the session began}].

    Options "session" (at most 4 are kept) and "reset" as in every wake backend. Config: "phrase" (lower-case English
    words, "hey loom"), "threshold" (smaller hears it more often, and wrongly; 1e-50 to 1), "model" (a directory).
    """
    phrase = host.config.get("phrase", PHRASE)
    if not isinstance(phrase, str) or len(phrase) > 80 or not _PHRASE.fullmatch(phrase):
        raise ModelFailed(f"phrase is one to eight lower-case English words, not {phrase!r}")
    threshold = number(host.config, "threshold", THRESHOLD, 1e-50, 1.0)
    listeners = Sessions(lambda: Listener(host.config, phrase, threshold), MOST_SESSIONS)
    once = listeners.get("")  # what cannot be loaded is told now

    def wake(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        pcm = pcm_of(asked.input)
        name, reset = asked.text("session"), asked.flag("reset")
        if name:
            return listeners.get(name, reset).hear(pcm, call)
        once.begin()
        return once.hear(pcm, call)

    return {"wake": wake}


class Listener:
    """One stream of sound."""

    def __init__(self, config: Mapping[str, Any], phrase: str, threshold: float) -> None:
        self._phrase = phrase
        self._decoder = decoder(config, keyphrase=phrase, kws_threshold=threshold)
        missing = [word for word in sorted(set(phrase.split())) if self._decoder.lookup_word(word) is None]
        if missing:
            raise ModelFailed(f"{', '.join(missing)}: not in the English dictionary; choose other words")
        self._mean = self._decoder.get_cmn(False)
        self._running = False
        self.begin()

    def begin(self) -> None:
        """Forget what was heard."""
        self._rest = b""
        self._heard = 0
        self._start()

    def hear(self, pcm: bytes, call: object = None) -> list[dict[str, object]]:
        """When the phrase ends in *pcm*, which continues what was heard before."""
        sound = self._rest + pcm
        whole = len(sound) - len(sound) % STEP
        self._rest = sound[whole:]
        hits: list[dict[str, object]] = []
        for at in range(0, whole, STEP):
            check(call)
            hits += self._step(sound[at : at + STEP])
        return hits

    def _step(self, sound: bytes) -> list[dict[str, object]]:
        self._decoder.process_raw(sound)
        self._heard += len(sound)
        self._since += len(sound)
        found = self._decoder.hyp()
        if found is None:
            if self._since >= ANEW:
                self._start()  # the decoder keeps every frame of an utterance
            return []
        score = max((part.prob for part in self._decoder.seg()), default=0.0)
        self._start()
        at = round(self._heard / BYTES_PER_SECOND, 3)
        return [{"phrase": self._phrase, "score": round(min(1.0, score), 2), "at": at}]

    def _start(self) -> None:
        if self._running:
            self._decoder.end_utt()
        self._decoder.set_cmn(self._mean)
        self._decoder.start_utt()
        self._running, self._since = True, 0
