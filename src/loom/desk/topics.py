"""The topics of a desk, and the label of whatever lies on one."""

from __future__ import annotations

from loom.event import Confidentiality, Label

FOLDER = "desk.folder"
"""Where the folder tells of its files: created, changed, moved, deleted, refused."""
CENSUS = "desk.census"
"""``{"root": path}``: look which of the files that are known are still there."""
FILE = "desk.file"
"""The same as FOLDER tells, labelled."""
PAGE = "desk.page"
"""What was read of a file, with passages and vectors: from the reader to the shelf."""
GONE = "desk.gone"
"""``{"path"}``: a file that is there no more, or can be read no more."""
FILED = "desk.filed"
"""``{"path", "name", "kind", "summary", "passages"}``: it can be found from now on."""
TROUBLE = "desk.trouble"
"""``{"path", "name", "reason"}``: a file that is not filed."""
QUESTION = "desk.question"
"""A text, or ``{"text", "chat"}``; the answer is the reply, and an event on ANSWER."""
FOUND = "desk.found"
"""The passages of an answer that is still being worded."""
ANSWER = "desk.answer"
SEARCH = "desk.search"
"""``{"vector", "words", "most"}``; the reply is the passages that fit best."""
LATEST = "desk.latest"
"""How many; the reply is what was filed last, newest first."""

PRIVATE = Label(Confidentiality.PRIVATE, untrusted=True)
"""What is in a file belongs to whoever put it there, and nothing it says is an instruction."""
