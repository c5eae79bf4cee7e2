"""OpenAI's embeddings: the request that is read, and the answer that is written. Pure."""

from __future__ import annotations

import base64
import math
import sys
from array import array
from collections.abc import Mapping
from typing import Any

from loom.errors import ModelFailed
from loom.web.body import read_json
from loom.web.call import EMBED, Call, Figures, Told
from loom.web.fields import Fields

MOST_TEXTS = 2048
READ = ("model", "input", "encoding_format", "dimensions", "user")


def read_embeddings(data: bytes) -> Call:
    """The call in the body *data*: its input is a list of texts, its form float or base64. Raises Refusal."""
    body = Fields(read_json(data))
    body.only(READ)
    if body.has("dimensions"):
        raise body.wrong("dimensions", "cannot be chosen; leave the field out", "unsupported_value")
    form = body.choice("encoding_format", ("float", "base64"), "float")
    return Call(EMBED, body.text("model", most=200), _texts(body), form=form)


def _texts(body: Fields) -> list[str]:
    if isinstance(body.values.get("input"), str):
        texts = [body.text("input")]
    else:
        texts = body.items("input", MOST_TEXTS)
    if not texts or any(not isinstance(each, str) or not each for each in texts):
        raise body.wrong("input", "is a text or a list of texts, none empty; numbers of tokens are not taken")
    return texts


def embeddings(output: object, told: Told, call: Call) -> dict[str, Any]:
    """The answer: one vector for each text, in their order; raises ModelFailed for an output without."""
    vectors = output.get("vectors") if isinstance(output, Mapping) else output
    rows = _rows(vectors)
    if len(rows) != len(call.input):
        raise ModelFailed(f"the backend gave {len(rows)} vectors for {len(call.input)} texts")
    write = _packed if call.form == "base64" else array.tolist
    data = [
        {"object": "embedding", "index": number, "embedding": write(row)} for number, row in enumerate(rows)
    ]
    read = Figures(output if isinstance(output, Mapping) else {}).tokens_in or told.tokens_in
    used = {"prompt_tokens": read, "total_tokens": read}
    return {"object": "list", "data": data, "model": told.model, "usage": used, "loom": told.extension()}


def _rows(vectors: Any) -> list[array[float]]:
    """Rows of numbers out of lists, an array, or a Buffer; raises ModelFailed."""
    if not hasattr(vectors, "tolist") and hasattr(vectors, "view"):
        vectors = vectors.view()
    try:
        rows = [array("f", row) for row in (vectors.tolist() if hasattr(vectors, "tolist") else vectors)]
    except (TypeError, ValueError, OverflowError):
        raise ModelFailed("the backend gave no vectors") from None
    if not all(math.isfinite(sum(row)) for row in rows):
        raise ModelFailed("the backend gave vectors with numbers that are none (NaN, infinity)")
    return rows


def _packed(row: array[float]) -> str:
    """Little-endian 32-bit floats, in base64: what OpenAI's package asks for."""
    if sys.byteorder == "big":
        row.byteswap()
    return base64.b64encode(row.tobytes()).decode()
