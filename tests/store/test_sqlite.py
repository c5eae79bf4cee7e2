"""The store in SQLite: what every backend does."""

from tests.store.conformance import Conformance
from tests.store.model import model_of


class TestSqlite(Conformance):
    kind = "sqlite"


TestSqliteAgainstADictionary = model_of("sqlite")
