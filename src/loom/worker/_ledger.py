"""Whose a slot of shared memory is: free, leased to the producer, or held by readers. Pure."""

from __future__ import annotations

from enum import Enum

from loom.errors import StaleFrame


class SlotState(Enum):
    """Exactly one of these for each slot at each moment."""

    FREE = "free"
    LEASED = "leased"
    HELD = "held"


class SlotLedger:
    """The state and the generation of each slot.

    FREE -lease-> LEASED -hold-> HELD -free-> FREE, and LEASED -unlease-> FREE. Each lease has a generation of
    its own, so a handle from an earlier one is told apart.
    """

    __slots__ = ("_free", "_generations", "_states")

    def __init__(self, slots: int) -> None:
        self._states = [SlotState.FREE] * slots
        self._generations = [0] * slots
        self._free = list(range(slots - 1, -1, -1))

    def lease(self) -> tuple[int, int] | None:
        """A free slot and its new generation, now the producer's; None when there is none."""
        if not self._free:
            return None
        slot = self._free.pop()
        self._states[slot] = SlotState.LEASED
        self._generations[slot] += 1
        return slot, self._generations[slot]

    def hold(self, slot: int, generation: int) -> None:
        """The producer filled *slot*; raises StaleFrame unless it has exactly this lease."""
        self._expect(slot, generation, SlotState.LEASED)
        self._states[slot] = SlotState.HELD

    def free(self, slot: int, generation: int) -> None:
        """The last reader is gone; raises StaleFrame unless *slot* is held with this generation."""
        self._expect(slot, generation, SlotState.HELD)
        self._release(slot)

    def unlease(self, slot: int, generation: int) -> None:
        """The producer gives *slot* back unused; raises StaleFrame unless it has exactly this lease."""
        self._expect(slot, generation, SlotState.LEASED)
        self._release(slot)

    def reclaim(self) -> int:
        """The producer is dead: its leases end; returns how many there were. Held slots stay held."""
        leased = [slot for slot, state in enumerate(self._states) if state is SlotState.LEASED]
        for slot in leased:
            self._release(slot)
        return len(leased)

    def counts(self) -> dict[str, int]:
        """Slots by state."""
        return {state.value: self._states.count(state) for state in SlotState}

    def _release(self, slot: int) -> None:
        self._states[slot] = SlotState.FREE
        self._free.append(slot)

    def _expect(self, slot: int, generation: int, state: SlotState) -> None:
        if not 0 <= slot < len(self._states):
            raise StaleFrame(f"slot {slot} is none of the arena's {len(self._states)}")
        if self._states[slot] is not state or self._generations[slot] != generation:
            raise StaleFrame(
                f"slot {slot} generation {generation} is not {state.value}: "
                f"it is {self._states[slot].value}, generation {self._generations[slot]}"
            )
