"""Plain functions in a worker process: pickles between two processes of the same program, never from outside."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loom.worker.host import CallContext, Handler, Host


def factory(host: Host) -> Mapping[str, Handler]:
    """The one method: run a function that has a name."""
    return {"run": _run}


def _run(body: Any, call: CallContext) -> bytes:
    module, qualname, arguments = pickle.loads(body)  # noqa: S301 - written by our own parent process
    target: Any = import_module(module)
    for name in qualname.split("."):
        target = getattr(target, name)
    try:
        return pickle.dumps((True, target(*arguments)))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the function is a stranger's code
        return _pickled_error(error)


def _pickled_error(error: Exception) -> bytes:
    import traceback

    error.add_note("in the worker process:\n" + "".join(traceback.format_exception(error))[-4000:])
    try:
        data = pickle.dumps((False, error))
        pickle.loads(data)  # noqa: S301 - some errors pickle and do not come back
    except Exception:  # noqa: BLE001
        raise RuntimeError(f"{type(error).__name__}: {error}") from None
    return data
