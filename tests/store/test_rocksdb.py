"""The store in RocksDB: what every backend does."""

from tests.store.conformance_life import Conformance
from tests.store.model import model_of


class TestRocksDb(Conformance):
    kind = "rocksdb"


TestRocksDbAgainstADictionary = model_of("rocksdb", examples=10)
