"""Moving collections from one store to another."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Iterable, Literal, Mapping, NamedTuple, Sequence, Union

from . import _native
from .errors import VerificationError

__all__ = ["ProgressEvent", "migrate"]

Place = Union[str, "os.PathLike[str]", Mapping[str, Any]]
Schemas = Union[str, "os.PathLike[str]", Sequence[Union[str, Mapping[str, Any]]]]

#: How a run ends whose two sides differ where they should not.
_DIFFERS = ("differs", "dry_run_differs")


class ProgressEvent(NamedTuple):
    """How far a migration is."""

    #: The phase: "check", "backup", "backup_check", "copy", "history", "index", "verify".
    #: None for a warning before the first one.
    phase: Union[str, None]
    #: Records that are done in this phase.
    done: int
    #: How many there will be, an estimate; None when that is unknown.
    total: Union[int, None]
    #: The collection at work; None when a phase begins.
    collection: Union[str, None]
    #: Something that the operator should know; it is in the report as well.
    warning: Union[str, None]


def migrate(
    source: Place,
    target: Place,
    *,
    progress: Union[Callable[[ProgressEvent], object], None] = None,
    schemas: Union[Schemas, None] = None,
    collections: Union[Iterable[str], None] = None,
    backup: Union[str, "os.PathLike[str]", None] = "backups",
    verify: bool = True,
    dry_run: bool = False,
    on_conflict: Literal["fail", "newer", "overwrite"] = "fail",
    restart: bool = False,
    quarantine: Union[str, "os.PathLike[str]", None] = None,
    without_history: bool = False,
    batch_size: Union[int, None] = None,
    workers: Union[int, None] = None,
    rate_limit: Union[int, None] = None,
    compression: Union[int, None] = None,
) -> dict[str, Any]:
    """Copies collections: checks everything, makes an archive, copies, and compares.

    The source is only read. A run that was killed, that failed or that Ctrl-C ended is
    resumed by the same call.

    source, target: each a URL, a configuration file (pathlib.Path) or a configuration
        (dict), as for ``Store.open``. Both are opened and closed here.
    progress: called with a ProgressEvent, on the thread that called. What it raises
        ends the run, once the batches in hand are written.
    schemas: the collections; without it those of the target's configuration.
    collections: only these; without it all of the source.
    backup: the folder for archives, made before the first write; None makes none.
    verify: whether both sides are compared after the last write.
    dry_run: all checks, and nothing is written.
    on_conflict: what to do when the target holds records that differ: "fail" refuses
        before anything is written, "newer" keeps the higher version, "overwrite" writes
        the source's document.
    restart: drop an unfinished run that is found on the target, and begin again.
    quarantine: a file for entities that the target cannot hold; without it they refuse
        the run.
    without_history: leave older versions and tags behind.
    batch_size, workers, rate_limit, compression: as the command line has them.

    Returns the report, which accounts for every record. ``report["outcome"]`` is
    "verified", "done_unverified", "dry_run", "dry_run_partly", "partly" (something was
    left different on purpose, and is listed) or "interrupted". When both sides differ
    where they should not, VerificationError is raised, with the report.
    """
    options = {
        "collections": None if collections is None else list(collections),
        "batch_size": batch_size,
        "backup": None if backup is None else os.fspath(backup),
        "compression": compression,
        "verify": verify,
        "dry_run": dry_run,
        "on_conflict": on_conflict,
        "restart": restart,
        "workers": workers,
        "rate_limit": rate_limit,
        "quarantine": None if quarantine is None else os.fspath(quarantine),
        "without_history": without_history,
    }
    told = None if progress is None else lambda *event: progress(ProgressEvent(*event))
    text = _native.migrate(source, target, schemas, json.dumps(options), told)
    report: dict[str, Any] = json.loads(text)
    if report["outcome"] in _DIFFERS:
        error = VerificationError(
            "source and target differ where they should not",
            kind="Differs",
            operation="migrate",
            context={"source": report["source"], "target": report["target"]},
            hint="error.report names each difference",
        )
        error.report = report
        raise error
    return report
