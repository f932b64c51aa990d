"""Forks, signals, threads, and what importing costs."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Callable

from places import OnEveryStore, Places, on_every_store
from repo_engine import ClosedError, Store, UnsupportedError

#: The longest time that a child may take.
PATIENCE = 60


def in_child(body: Callable[[], None]) -> tuple[int, str]:
    """Runs body in a forked child: its exit code, and what it raised."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 0
        try:
            os.close(read)
            signal.alarm(PATIENCE)
            body()
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode()[:4000])
            code = 1
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said


@on_every_store(globals())
class TestForks(OnEveryStore):
    def setUp(self) -> None:
        super().setUp()
        self.url = self.place()

    def test_a_store_of_the_parent_is_refused_in_words(self) -> None:
        store = self.opened(self.url, schemas=["jobs"])
        store.put("jobs", "a", {"id": "a"})
        scan = store.scan("jobs")
        transaction = store.transaction()

        def body() -> None:
            for use in (
                lambda: store.get("jobs", "a"),
                lambda: next(scan),
                lambda: transaction.get("jobs", "a"),
            ):
                try:
                    use()
                except ClosedError as error:
                    assert "forked" in str(error) and "Store.open" in str(error), error
                else:
                    raise AssertionError("the store of the parent was used")
            store.close()
            assert "another process" in repr(store)

        self.assertEqual(in_child(body), (0, ""))
        # The parent goes on.
        self.assertEqual(store.put("jobs", "a", {"id": "a", "n": 1}), 2)

    def test_a_child_opens_its_own(self) -> None:
        with Store.open(self.url, schemas=["jobs"]) as store:
            store.put("jobs", "a", {"id": "a"})
            parent: Any = store if self.kind != "sqlite" else None
            if parent is None:
                store.close()

            def body() -> None:
                with Store.open(self.url, schemas=["jobs"]) as own:
                    own.put("jobs", "b", {"id": "b"})
                    assert own.get("jobs", "a") is not None

            self.assertEqual(in_child(body), (0, ""))
        with Store.open(self.url, schemas=["jobs"]) as again:
            self.assertEqual(again.count("jobs", strong=True), 2)


class TestSqliteInAChild(Places):
    def test_a_file_that_the_parent_has_open_is_refused(self) -> None:
        url = f"sqlite:{self.folder}/a.db"
        store = self.opened(url, schemas=["jobs"])

        def body() -> None:
            try:
                Store.open(url, schemas=["jobs"])
            except UnsupportedError as error:
                assert "spawn" in str(error), error
            else:
                raise AssertionError("it was opened")
            # Any other file is.
            with Store.open(f"sqlite:{self.folder}/b.db", schemas=["jobs"]) as own:
                own.put("jobs", "a", {"id": "a"})

        self.assertEqual(in_child(body), (0, ""))
        self.assertEqual(store.put("jobs", "a", {"id": "a"}), 1)


class TestWaiting(Places):
    """A write that waits for another program's lock on a SQLite file."""

    def locked(self) -> tuple[str, sqlite3.Connection]:
        name = self.folder / "a.db"
        Store.open(f"sqlite:{name}", schemas=["jobs"]).close()
        other = sqlite3.connect(name, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        return f"sqlite:{name}", other

    def test_other_threads_run_meanwhile(self) -> None:
        url, other = self.locked()
        store = self.opened(url, schemas=["jobs"])
        versions: list[int] = []

        def put() -> None:
            versions.append(store.put("jobs", "a", {"id": "a"}))

        waiting = threading.Thread(target=put)
        waiting.start()
        # Were the lock of the interpreter held, this thread could not give the other's back.
        other.execute("COMMIT")
        waiting.join(PATIENCE)
        self.assertEqual(versions, [1])

    def test_ctrl_c_ends_a_wait(self) -> None:
        url, other = self.locked()
        code = (
            "import signal; from repo_engine import Store\n"
            # A shell that runs the tests in the background has it ignored, which a child
            # inherits: Python then leaves it so, and no handler would ever run.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"values = {{'storage': {{'strategy': 'sqlite', 'sql_strategy': "
            f"{{'name': {url.removeprefix('sqlite:')!r}, 'timeout': 300}}}}}}\n"
            "try:\n"
            "    store = Store.open(values, schemas=['jobs'])\n"
            "    store.put('jobs', 'a', {'id': 'a'})\n"
            "except KeyboardInterrupt:\n"
            "    import os; os._exit(7)\n"
        )
        # As such a shell starts it.
        ignoring = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-c", code]
        child = subprocess.Popen(ignoring)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        # Once the thread that writes is there, the one that called waits for it, and that
        # for the lock of this process: one signal has to be enough.
        deadline = time.monotonic() + PATIENCE
        while "sqlite-writer" not in names_of_threads(child.pid):
            self.assertIsNone(child.poll(), "it ended before it waited")
            self.assertLess(time.monotonic(), deadline, "it never waited")
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(PATIENCE), 7)
        other.execute("ROLLBACK")


def names_of_threads(process: int) -> set[str]:
    """What the threads of a process are called."""
    names = set()
    for name in Path(f"/proc/{process}/task").glob("*/comm"):
        try:
            names.add(name.read_text().strip())
        except OSError:
            pass  # it has ended meanwhile
    return names


#: For a child: how many threads it has, and how many sockets to the network.
OF_ITSELF = """
import os

def threads():
    return len(os.listdir("/proc/self/task"))

def sockets():
    own = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            own.add(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass  # that of the list itself
    known = set()
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/self/net/{kind}") as table:
            known |= {f"socket:[{line.split()[9]}]" for line in list(table)[1:]}
    return len(own & known)
"""


class TestImporting(Places):
    def test_it_starts_nothing(self) -> None:
        code = OF_ITSELF + (
            "import sys, repo_engine\n"
            "assert 'asyncio' not in sys.modules, 'asyncio is loaded'\n"
            "assert not any(name.split('.')[0] == 'orb' for name in sys.modules)\n"
            "print(threads(), sockets())\n"
        )
        said = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout
        self.assertEqual(said.split(), ["1", "0"], "threads and sockets")

    def listener(self) -> socket.socket:
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        listening.setblocking(False)
        return listening

    def test_a_server_is_reached_once_a_store_on_it_is_opened(self) -> None:
        postgresql, dynamodb = self.listener(), self.listener()
        code = OF_ITSELF + (
            "import sys\n"
            "from repo_engine import Store\n"
            "folder, url = sys.argv[1:]\n"
            "for place in (f'json:{folder}/data', f'sqlite:{folder}/a.db'):\n"
            "    with Store.open(place, schemas=['jobs']) as store:\n"
            "        store.put('jobs', 'a', {'id': 'a'})\n"
            "        assert store.get('jobs', 'a') is not None\n"
            "        print(sockets(), flush=True)\n"
            "for place in (url, 'dynamodb:jobs'):\n"
            "    sys.stdin.readline()\n"
            "    try:\n"
            "        Store.open(place, schemas=['jobs'])\n"
            "    except Exception:\n"
            "        pass\n"
        )
        url = f"postgresql://nobody@127.0.0.1:{postgresql.getsockname()[1]}/jobs"
        endpoint = f"http://127.0.0.1:{dynamodb.getsockname()[1]}"
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(self.folder), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "AWS_ENDPOINT_URL_DYNAMODB": endpoint},
            text=True,
        )
        for clean in (child.wait, child.kill):
            self.addCleanup(clean)
        assert child.stdin is not None and child.stdout is not None
        for pipe in (child.stdin, child.stdout):
            self.addCleanup(pipe.close)
        self.assertEqual([child.stdout.readline() for _ in range(2)], ["0\n", "0\n"])
        for server in (postgresql, dynamodb):
            with self.assertRaises(BlockingIOError):
                server.accept()
        for server in (postgresql, dynamodb):
            child.stdin.write("\n")
            child.stdin.flush()
            server.settimeout(PATIENCE)
            connection, _ = server.accept()
            # Nobody answers there.
            connection.close()
            server.close()


if __name__ == "__main__":
    unittest.main()
