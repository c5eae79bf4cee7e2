"""Agents that work together: a contract net, a barrier, a directory. Each is an ordinary agent."""

from loom.teams.award import Bid, cheapest
from loom.teams.barrier import Barrier, barrier
from loom.teams.contract_net import Manager, contract_net
from loom.teams.contractor import Contractor
from loom.teams.directory import Directory, Entry

__all__ = [
    "Barrier", "Bid", "Contractor", "Directory", "Entry", "Manager", "barrier", "cheapest", "contract_net",
]  # fmt: skip
