"""Speech to text, by dictation or by a grammar, and any phrase as a wake word: CMU Sphinx. Runs in a worker.

Quicker and smaller than Whisper, and much less sure in dictation; with a grammar it hears nothing but the grammar.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from loom.errors import ModelFailed
from loom.models._grammar import LONGEST as LONGEST_GRAMMAR
from loom.models._grammar import checked_grammar
from loom.models._heard import has_voice
from loom.models._pcm import BYTES_PER_SECOND, pcm_of, seconds
from loom.models._recording import Recording
from loom.models._request import Asked, WorkerHost, check, number
from loom.models._sessions import Sessions
from loom.models._sphinx import decoder

SPEC = "loom.models.pocketsphinx:factory"
LONGEST = 120.0
STEP = BYTES_PER_SECOND // 4
MOST_GRAMMARS = 8
DICTATION, MEASURE = "_default", "loom-measure"
MEASURE_GRAMMAR = "#JSGF V1.0; grammar measure; public <word> = a;"
LEAST_CONFIDENCE = 0.02
LANGUAGES = ("", "en", "en-us")


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """The methods `transcribe` and `transcribe_stream`; input is pcm, at most 120 seconds.

    `transcribe` gives {"text", "confidence" 0..1, "seconds"}; text is "" for silence and noise. Options: "grammar"
    (JSGF text: what is heard is a sentence of it, or nothing), "session" and "final" (with a session the sound is
    gathered, and transcribed when "final" is true), "language" (English only). `transcribe_stream` yields
    {"text" so far, "final"} as it goes. Config: "model" (a directory with acoustic model,
    dictionary and language model as in the package), "least_confidence" (0.02: below it the text is "").
    """
    sphinx = Sphinx(host.config)
    gathered: Sessions[Recording] = Sessions(lambda: Recording(LONGEST))

    def whole(asked: Asked) -> bytes | None:
        if asked.text("language") not in LANGUAGES:
            raise ModelFailed(f"language {asked.text('language')!r}: this model knows en")
        name, pcm = asked.text("session"), pcm_of(asked.input)
        recording = gathered.get(name, asked.flag("reset"))
        recording.add(pcm)
        if name and not asked.flag("final"):
            return None
        gathered.forget(name)
        return recording.pcm()

    def transcribe_stream(body: Any, call: object) -> Iterator[dict[str, object]]:
        asked = Asked.from_body(body)
        pcm = whole(asked)
        if pcm is not None:
            yield from sphinx.hear(pcm, asked.text("grammar", longest=LONGEST_GRAMMAR), call)

    def transcribe(body: Any, call: object) -> object:
        for last in transcribe_stream(body, call):
            if last["final"]:
                return {name: last[name] for name in ("text", "confidence", "seconds")}
        asked = Asked.from_body(body)
        length = gathered.get(asked.text("session")).seconds
        return {"text": "", "confidence": 0.0, "seconds": length}

    return {"transcribe": transcribe, "transcribe_stream": transcribe_stream}


class Sphinx:
    """One decoder and the grammars that it was last asked for."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._least = number(config, "least_confidence", LEAST_CONFIDENCE, 0.0, 1.0)
        self._decoder = decoder(config)
        self._mean = self._decoder.get_cmn(False)
        self._decoder.add_jsgf_string(MEASURE, MEASURE_GRAMMAR)
        self._grammars: OrderedDict[str, None] = OrderedDict()

    def hear(self, pcm: bytes, grammar: str, call: object) -> Iterator[dict[str, object]]:
        """What is said in *pcm*: guesses as it goes, then the last one."""
        length = round(seconds(pcm), 3)
        search = self._search(grammar) if grammar else DICTATION
        text, confidence = "", 0.0
        if has_voice(pcm):
            self._measure(pcm, call)
            self._decoder.activate_search(search)
            yield from self._guesses(pcm, call)
            text, confidence = self._result()
        yield {"text": text, "final": True, "confidence": confidence, "seconds": length}

    def _measure(self, pcm: bytes, call: object) -> None:
        """Learn how this recording sounds on the whole; else what was heard before would colour what comes."""
        self._decoder.set_cmn(self._mean)
        self._decoder.activate_search(MEASURE)
        for _ in self._guesses(pcm, call):
            pass  # a search that costs next to nothing
        self._decoder.set_cmn(self._decoder.get_cmn(True))

    def _guesses(self, pcm: bytes, call: object) -> Iterator[dict[str, object]]:
        said = ""
        self._decoder.start_utt()
        try:
            for at in range(0, len(pcm), STEP):
                check(call)
                self._decoder.process_raw(pcm[at : at + STEP])
                guess = self._decoder.hyp()
                if guess is not None and guess.hypstr != said:
                    said = guess.hypstr
                    yield {"text": said, "final": False}
        finally:
            self._decoder.end_utt()

    def _result(self) -> tuple[str, float]:
        found = self._decoder.hyp()
        words = found.hypstr.split() if found is not None else []
        if not words:
            return "", 0.0
        confidence = round(min(1.0, max(found.prob, 0.0)) ** (1 / len(words)), 4)
        return (" ".join(words), confidence) if confidence >= self._least else ("", 0.0)

    def _search(self, grammar: str) -> str:
        name = sha256(grammar.encode("utf-8", "replace")).hexdigest()[:16]
        if name not in self._grammars:
            self._compile(name, grammar)
        self._grammars[name] = None
        self._grammars.move_to_end(name)
        return name

    def _compile(self, name: str, grammar: str) -> None:
        try:
            self._decoder.add_jsgf_string(name, checked_grammar(grammar))
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelFailed(
                f"the grammar cannot be used ({error}): is it JSGF, and is each word in the English dictionary?"
            ) from None
        if len(self._grammars) >= MOST_GRAMMARS:
            oldest, _ = self._grammars.popitem(last=False)
            self._decoder.activate_search(DICTATION)
            self._decoder.remove_search(oldest)
