"""The storage in memory: plain dictionaries. It is the reference, the model that the SQL storage is compared with.

Every stored value is immutable, and every change goes through `Part._put`, which notes what was there before. A
transaction that fails is undone from these notes, the last one first. Each command first checks all that it has to,
then changes: one that raises has changed nothing. Transactions are serial, so a lock has nothing to wait for; that they
are taken in the order that the port asks for is checked all the same, because elsewhere it is what keeps two
transactions from waiting for each other.
"""

from astpp_billing.storage.memory.storage import MemoryStorage, MemoryUnitOfWork

__all__ = ["MemoryStorage", "MemoryUnitOfWork"]
