"""Standing queries: patterns over events and time, asked once and answered for as long as the runtime lives."""

from loom.queries.absence import absence
from loom.queries.agent import query_agent
from loom.queries.held import held
from loom.queries.join import join
from loom.queries.pattern import Pattern, events
from loom.queries.query import Match, Outcome, Query, Seen, State
from loom.queries.sequence import sequence
from loom.queries.threshold import threshold
from loom.queries.when import when

__all__ = [
    "Match", "Outcome", "Pattern", "Query", "Seen", "State", "absence", "events", "held", "join", "query_agent",
    "sequence", "threshold", "when",
]  # fmt: skip
