"""What the drivers store: files of the sizes that matter, and a directory with a manifest."""

import json
import pathlib
import random

# More than two parts of a resumable upload, and no multiple of anything.
LARGE = 20 * 1024 * 1024 + 7

# By path in the directory; those of `IGNORED` must not arrive.
TREE = {
    ".gitignore": b"*.log\nscratch\n",
    "README.md": "# Plates of Tuesday, 4 µl\n".encode(),
    "plate.csv": b"well,od\nA1,0.25\nA2,\n",
    "reads/run1.bin": b"\x00\x01\x02",
    "reads/deep/empty.bin": b"",
    "reads/deep/name with spaces (µ).dat": bytes(range(256)),
}
IGNORED = {
    "notes.log": b"ignored by *.log",
    "reads/run1.log": b"ignored by *.log, deeper",
    "scratch/a.txt": b"ignored by the folder's name",
    "secret.key": b"ignored by what the caller says",
}
IGNORE_PATTERNS = ["secret*"]

MANIFEST_NAME = "manifest.json"
MANIFEST = {
    "samples": {
        "README.md": "What was done on Tuesday",
        "plate.csv": {"description": "Optical densities", "metadata": {"unit": "AU"}},
        "reads": {
            "run1.bin": {"description": "Reads of run 1"},
            "deep": {"empty.bin": "Nothing was read"},
        },
    }
}
# What each file of the directory has to be called; the clients describe the others.
DESCRIPTIONS = {
    ".gitignore": "File: .gitignore",
    "README.md": "What was done on Tuesday",
    "plate.csv": "Optical densities",
    "reads/run1.bin": "Reads of run 1",
    "reads/deep/empty.bin": "Nothing was read",
    "reads/deep/name with spaces (µ).dat": "File: name with spaces (µ).dat",
}
# Words in the descriptions that the clients make for directories.
DIRECTORIES = {
    "reads": "run1.bin: Reads of run 1",
    "reads/deep": "empty.bin: Nothing was read",
}


def make(folder):
    """Writes all of it into a folder; the files by name, and the directory."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "empty.bin": b"",
        "three.bin": b"\x00\x01\x02",
        "large.bin": random.Random(17).randbytes(LARGE),
        "notes.txt": "a small text, 3 µl\n".encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    directory = folder / "samples"
    for name, content in {**TREE, **IGNORED}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # The clients look for it in the working directory.
    pathlib.Path(MANIFEST_NAME).write_text(json.dumps(MANIFEST))
    return contents, directory


def read_tree(folder):
    """Every file below a folder, by its path in it."""
    folder = pathlib.Path(folder)
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
