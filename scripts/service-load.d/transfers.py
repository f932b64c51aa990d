"""Large uploads and downloads: `python transfers.py URL resumable|plain|many BYTES [COUNT]`.

`resumable` is FutureHouse's protocol, in ranges of 8 MiB; `plain` one form with the file, as
MADSci's client sends it. `many` sends COUNT files at once by the first one. Bytes are made and
compared as they go, nothing of them is kept. Prints one line of JSON; ends with an error when a
digest differs or an upload does not succeed.
"""

import hashlib
import http.client
import json
import random
import sys
import threading
import time
from urllib.parse import urlsplit

BLOCK = 1024 * 1024
RANGE = 8 * BLOCK
ENTRIES = "/v0.1/data-storage/data-entries"
TRIES = 200


class Source:
    """Bytes that look random, the same for the same seed."""

    def __init__(self, seed: int, size: int) -> None:
        self.random, self.size = random.Random(seed), size
        self.sha256 = hashlib.sha256()

    def read(self, most: int) -> bytes:
        piece = self.random.randbytes(min(most, self.size))
        self.size -= len(piece)
        self.sha256.update(piece)
        return piece


class Counter:
    """How often a server was too busy."""

    def __init__(self) -> None:
        self.lock, self.busy, self.broken = threading.Lock(), 0, 0

    def add(self, busy: int = 0, broken: int = 0) -> None:
        with self.lock:
            self.busy += busy
            self.broken += broken


COUNTER = Counter()


def send(base: str, method: str, url: str, body=None, headers=None):
    """One request, again for as long as the server is busy: a 503 has to say when."""
    host = urlsplit(base).netloc
    path = url if url.startswith("/") else "{0.path}?{0.query}".format(urlsplit(url))
    for _ in range(TRIES):
        connection = http.client.HTTPConnection(host, timeout=600)
        try:
            # What is made as it goes is made anew for each try.
            made = body() if callable(body) else body
            connection.request(method, path, body=made, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read()
        except ConnectionError:
            # The server ended it before it answered: that is counted, and not wanted.
            COUNTER.add(broken=1)
            time.sleep(1)
            continue
        finally:
            connection.close()
        if answer.status != 503:
            return answer, text
        after = answer.getheader("Retry-After")
        if after is None:
            raise SystemExit(f"{method} {path}: 503 without Retry-After")
        COUNTER.add(busy=1)
        time.sleep(int(after))
    raise SystemExit(f"{method} {path}: busy {TRIES} times")


def expect(base: str, status: int, method: str, url: str, body=None, headers=None):
    answer, text = send(base, method, url, body, headers)
    if answer.status != status:
        raise SystemExit(f"{method} {url}: {answer.status} {text[:500]!r}")
    return answer, text


def compare(base: str, url: str, wanted: str) -> None:
    """Downloads, and compares the digest."""
    path = url if url.startswith("/") else "{0.path}?{0.query}".format(urlsplit(url))
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=600)
    connection.request("GET", path)
    answer, found = connection.getresponse(), hashlib.sha256()
    if answer.status != 200:
        raise SystemExit(f"GET {path}: {answer.status} {answer.read()[:500]!r}")
    while piece := answer.read(BLOCK):
        found.update(piece)
    connection.close()
    if found.hexdigest() != wanted:
        raise SystemExit(f"GET {path}: the digest differs")


def resumable(base: str, seed: int, size: int) -> tuple[str, str]:
    """Uploads in ranges; where it is downloaded, and its digest."""
    new = json.dumps({"name": "load", "file_path": f"load-{seed}.bin"})
    entry = json.loads(expect(base, 200, "POST", ENTRIES, new)[1])
    at = f"{ENTRIES}/{entry['data_storage']['id']}"
    signed = entry["storage_locations"][0]["storage_config"]["signed_url"]
    begun, _ = expect(base, 201, "POST", signed, b"", {"x-goog-resumable": "start"})
    upload, source, first = begun.getheader("Location"), Source(seed, size), 0
    while first < size:
        piece = source.read(RANGE)
        last = first + len(piece)
        headers = {"Content-Range": f"bytes {first}-{last - 1}/{size}"}
        expect(base, 200 if last == size else 308, "PUT", upload, piece, headers)
        first = last
    active = json.loads(expect(base, 200, "PATCH", at, b'{"status":"active"}')[1])
    url = active["storage_locations"][0]["storage_config"]["signed_url"]
    return url, source.sha256.hexdigest()


def plain(base: str, seed: int, size: int) -> tuple[str, str]:
    """Uploads in one form."""
    about = json.dumps({"datapoint_id": f"01LOAD{seed}", "data_type": "file",
                        "data_timestamp": "2026-11-28T16:52:31"})
    field = "--XX\r\nContent-Disposition: form-data; name="
    before = (f'{field}"datapoint"\r\n\r\n{about}\r\n'
              f'{field}"files"; filename="load.bin"\r\n\r\n').encode()
    after, digests = b"\r\n--XX--\r\n", []

    def pieces():
        source = Source(seed, size)
        yield before
        yield from iter(lambda: source.read(BLOCK), b"")
        yield after
        digests.append(source.sha256.hexdigest())

    headers = {"Content-Type": "multipart/form-data; boundary=XX",
               "Content-Length": str(len(before) + size + len(after))}
    expect(base, 200, "POST", "/datapoint", pieces, headers)
    return f"/datapoint/01LOAD{seed}/value", digests[-1]


def many(base: str, size: int, count: int) -> tuple[float, float]:
    """Uploads at once, then all of it compared; the seconds of each."""
    done, failed = [], []

    def one(seed: int) -> None:
        try:
            done.append(resumable(base, seed, size))
        except SystemExit as error:
            failed.append(str(error))

    begun = time.monotonic()
    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    uploaded = time.monotonic()
    if failed:
        raise SystemExit(f"{len(failed)} of {count} failed: {failed[0]}")
    for url, digest in done:
        compare(base, url, digest)
    return uploaded - begun, time.monotonic() - uploaded


def main() -> None:
    base, what, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    if what == "many":
        up, down = many(base, size, count)
    else:
        begun = time.monotonic()
        url, digest = {"resumable": resumable, "plain": plain}[what](base, 1, size)
        uploaded = time.monotonic()
        compare(base, url, digest)
        up, down = uploaded - begun, time.monotonic() - uploaded
    total = size * count / BLOCK
    print(json.dumps({
        "what": what, "mib": total, "up_seconds": round(up, 2), "down_seconds": round(down, 2),
        "up_mib_per_second": round(total / up, 1), "down_mib_per_second": round(total / down, 1),
        "busy": COUNTER.busy, "broken": COUNTER.broken,
    }))


if __name__ == "__main__":
    main()
