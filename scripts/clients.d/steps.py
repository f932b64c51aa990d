"""Steps of a driver: each is a line, and one that fails does not end the others."""

import contextlib
import time


class Failed(AssertionError):
    """What a step found is not what it expects."""


def same(found, expected, what="it"):
    """Expects two things to be equal; of long ones only the beginnings are shown."""
    if found != expected:
        raise Failed(f"{what} is {_short(found)}, expected {_short(expected)}")


def holds(condition, what):
    """Expects what is said in words."""
    if not condition:
        raise Failed(what)


def _short(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def _reason(error):
    """The error with what it was caused by, down to the root."""
    texts = []
    while error is not None and len(texts) < 4:
        texts.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return " < ".join(texts)


class Steps:
    """Runs steps and counts them."""

    def __init__(self, driver):
        self.driver = driver
        self.prefix = ""
        self.done = 0
        self.failed = 0

    @contextlib.contextmanager
    def step(self, name):
        """A step that has to succeed."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:  # whatever a client raises
            self._failed(name, _reason(error))
        else:
            self._ok(name, began)

    @contextlib.contextmanager
    def refused(self, name, *words):
        """A step that has to fail, with one of the words in what the client says."""
        began = time.monotonic()
        try:
            yield
        except Failed as error:
            self._failed(name, str(error))
        except Exception as error:  # whatever a client raises
            reason = _reason(error)
            if any(word in reason for word in words):
                self._ok(f"{name} (refused)", began)
            else:
                self._failed(name, f"it failed in another way: {reason}")
        else:
            self._failed(name, "it succeeded, and must not")

    def _ok(self, name, began):
        self.done += 1
        seconds = time.monotonic() - began
        print(f"ok    {self.driver} {self.prefix}{name} ({seconds:.2f} s)", flush=True)

    def _failed(self, name, reason):
        self.failed += 1
        print(f"FAIL  {self.driver} {self.prefix}{name}: {reason}", flush=True)

    def end(self):
        """Prints the sum; the exit code of the driver."""
        print(f"sum   {self.driver}: {self.done} steps succeeded, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.done else 0
