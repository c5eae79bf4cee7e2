"""A desk: files are read, filed and found again by three agents; what is gone is forgotten (needs NumPy).

It prints:
    filed soup.txt: The soup simmers for 20 minutes.
    filed train.txt: The train leaves at 9:12.
    train.txt:1 says: The train leaves at 9:12.
    nothing about that on the desk
"""

import asyncio
import tempfile
import zlib
from pathlib import Path

from loom import Loom, on
from loom.desk import Clerk, Reader, Shelf
from loom.desk.answer import words
from loom.testing import FakeBackend

NOTES = {"soup.txt": "The soup simmers for 20 minutes.", "train.txt": "The train leaves at 9:12."}


def embed(request):
    """A toy instead of `loom.local_model("minilm")`: a text means the words in it."""
    marks = [{zlib.crc32(word.encode()) % 256 for word in words(text)} for text in request.input]
    return {"vectors": [[float(n in each) for n in range(256)] for each in marks]}


@on("desk.filed")
async def filed(event):
    print(f"filed {event.payload['name']}: {event.payload['summary']}")


@on("desk.answer")
async def answer(event):
    line = event.payload.get("line")
    print(
        f"{line['name']}:{line['first']} says: {line['text']}" if line else "nothing about that on the desk"
    )


async def main(home):
    async with Loom(data=f"{home}/data") as loom:
        loom.add_model(FakeBackend("embed", embed, name="toy"))
        loom.add_model(FakeBackend("classify", lambda request: [{"label": "note"}], name="toy too"))
        loom.add(Reader, Shelf, Clerk, filed, answer)
        changes = [(name, "created") for name in NOTES] + [("train.txt", "deleted")]
        for name, change in changes:  # the source `folder` tells of them by itself
            await loom.publish(f"desk.folder.{change}", {"path": f"{home}/{name}", "change": change})
            await loom.idle()
            if name == "train.txt":
                await loom.publish("desk.question", "When does the train leave?")
                await loom.idle()


with tempfile.TemporaryDirectory() as folder:
    for name, text in NOTES.items():
        Path(folder, name).write_text(text)
    asyncio.run(main(folder))
