"""The law of the slots: each is free, leased or held; no credit is lost and none is made; no generation comes twice."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from loom.errors import StaleFrame
from loom.worker._ledger import SlotLedger

SLOTS = 4


class Ledger(RuleBasedStateMachine):
    """Producers and readers in any order, and some who cheat."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SlotLedger(SLOTS)
        self.leased: list[tuple[int, int]] = []
        self.held: list[tuple[int, int]] = []
        self.seen: set[tuple[int, int]] = set()

    @rule()
    def lease(self) -> None:
        lease = self.ledger.lease()
        assert (lease is None) == (len(self.leased) + len(self.held) == SLOTS)
        if lease is not None:
            assert lease not in self.seen
            assert lease[0] not in [slot for slot, _ in self.leased + self.held]
            self.seen.add(lease)
            self.leased.append(lease)

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leased))
        self.ledger.hold(*lease)
        self.leased.remove(lease)
        self.held.append(lease)

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def unlease(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leased))
        self.ledger.unlease(*lease)
        self.leased.remove(lease)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.held))
        self.ledger.free(*lease)
        self.held.remove(lease)

    @rule()
    def producer_dies(self) -> None:
        assert self.ledger.reclaim() == len(self.leased)
        self.leased.clear()

    @rule(slot=st.integers(-2, SLOTS + 1), generation=st.integers(0, 20))
    def cheat(self, slot: int, generation: int) -> None:
        if (slot, generation) not in self.leased:
            with pytest.raises(StaleFrame):
                self.ledger.hold(slot, generation)
            with pytest.raises(StaleFrame):
                self.ledger.unlease(slot, generation)
        if (slot, generation) not in self.held:
            with pytest.raises(StaleFrame):
                self.ledger.free(slot, generation)

    @invariant()
    def counts_agree(self) -> None:
        free = SLOTS - len(self.leased) - len(self.held)
        assert self.ledger.counts() == {"free": free, "leased": len(self.leased), "held": len(self.held)}


TestLedger = Ledger.TestCase
