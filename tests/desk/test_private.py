"""A private source: nothing of it is without the label."""

from typing import Any

from loom.desk import Private
from loom.event import Confidentiality, Label
from loom.testing import Probe, new_loom, run_until_idle, virtual_time


@virtual_time
async def test_a_private_source_labels_whatever_it_tells() -> None:
    class Notes:
        name, topics = "notes", ("notes.*",)

        async def run(self, out: Any) -> None:
            await out("notes.a", 1)
            out.offer("notes.b", 2, label=Label(Confidentiality.LOCAL_ONLY))

    async with new_loom() as loom:
        probe = Probe(loom.bus, "notes.*")
        loom.add(Private(Notes()))
        await run_until_idle(loom, 1)
        assert [(e.payload, str(e.label)) for e in probe.events] == [
            (1, "private, untrusted"), (2, "local-only, untrusted"),
        ]  # fmt: skip
