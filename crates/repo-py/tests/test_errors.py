"""Errors: a class for each kind, with what a program reads."""

from __future__ import annotations

import pickle
import unittest

import repo_engine
from repo_engine import FailedPrecondition, RepositoryError, _native, errors


class TestErrors(unittest.TestCase):
    def test_every_kind_of_the_engine_has_a_class(self) -> None:
        self.assertEqual(set(errors._OF_KIND), set(_native._KINDS))

    def test_every_class_is_listed_once_and_is_in_the_package(self) -> None:
        defined = {
            name
            for name, value in vars(errors).items()
            if isinstance(value, type) and value.__module__ == errors.__name__
        }
        self.assertEqual(set(errors.__all__), defined)
        self.assertEqual(len(repo_engine.__all__), len(set(repo_engine.__all__)))
        for name in errors.__all__:
            self.assertIn(name, repo_engine.__all__)
            self.assertIs(getattr(repo_engine, name), getattr(errors, name))

    def test_what_is_raised_says_what_happened_and_what_to_do(self) -> None:
        error = errors._made(
            "Conflict",
            "commit",
            "jobs/a: expected version 1, found version 2",
            [("store", "json:/srv"), ("store", "second")],
            "read again",
            False,
            [("jobs", "a", None, 1, 2), ("jobs", "b", "absent", None, 1)],
        )
        self.assertIs(type(error), errors.ConflictError)
        self.assertEqual(
            str(error),
            "commit: jobs/a: expected version 1, found version 2 (store: json:/srv); read again",
        )
        self.assertEqual(error.context, {"store": "json:/srv"})
        self.assertEqual(error.failed_preconditions[0], FailedPrecondition("jobs", "a", 1, 2))
        self.assertEqual(error.failed_preconditions[1].expected, "absent")

    def test_an_unknown_kind_is_the_base(self) -> None:
        error = errors._made("Newer", "get", "what", [], None, True, [])
        self.assertIs(type(error), RepositoryError)
        self.assertTrue(error.retryable)

    def test_errors_pass_between_processes(self) -> None:
        failed = [("c", "i", "any", None, None)]
        error = errors._made("Locked", "open", "in use", [("file", "/x")], "wait", False, failed)
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), str(again)), (type(error), str(error)))
        self.assertEqual(again.failed_preconditions, error.failed_preconditions)


if __name__ == "__main__":
    unittest.main()
