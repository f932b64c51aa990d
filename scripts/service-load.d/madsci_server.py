"""MADSci's own data manager, on a database in memory: `python madsci_server.py PORT FOLDER`.

Its server speaks to MongoDB. Its package has a collection in memory for tests, which looks at
every document to find one; so that it is not measured by that, documents are found here by
their ids in a dictionary, and what is stored is not copied. No database could be faster, and
nothing of it is durable.
"""

import sys
import threading
from typing import Any

from madsci.common.db_handlers import InMemoryDocumentStorageHandler
from madsci.common.local_backends.inmemory_collection import (
    InMemoryCollection,
    InMemoryInsertResult,
)
from madsci.common.types.datapoint_types import DataManagerSettings
from madsci.data_manager.data_server import DataManager


class ById(InMemoryCollection):
    """A collection that finds documents by their ids."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._by_id: dict[str, dict[str, Any]] = {}
        self._guard = threading.Lock()

    def insert_one(self, document: dict[str, Any]) -> InMemoryInsertResult:
        with self._guard:
            self._by_id[document["_id"]] = document
        return InMemoryInsertResult(document["_id"])

    def find_one(self, filter_query=None, projection=None):
        if not filter_query or list(filter_query) != ["_id"] or projection:
            raise NotImplementedError("only a search by _id is measured")
        return self._by_id.get(filter_query["_id"])

    def count_documents(self, filter_query=None) -> int:
        return len(self._by_id)


class Handler(InMemoryDocumentStorageHandler):
    """Gives such collections."""

    def __init__(self) -> None:
        super().__init__()
        self._ours: dict[str, ById] = {}

    def get_collection(self, name: str) -> ById:
        return self._ours.setdefault(name, ById(name))


def main() -> None:
    port, folder = int(sys.argv[1]), sys.argv[2]
    settings = DataManagerSettings(
        server_url=f"http://127.0.0.1:{port}/", file_storage_path=f"{folder}/files"
    )
    manager = DataManager(settings=settings, document_handler=Handler())
    # As uvicorn runs it unless told otherwise, but for the line that it logs of each request.
    manager.run_server(host="127.0.0.1", port=port, access_log=False)


if __name__ == "__main__":
    main()
