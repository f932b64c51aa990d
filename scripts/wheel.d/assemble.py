"""Puts a library that is compiled already into a wheel: assemble.py LIBRARY FOLDER.

Prints the path of the wheel. It is what maturin makes of the same library, without
compiling anything, and is for tests on this machine.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    from pip._vendor import tomli as tomllib  # type: ignore[no-redef]

ROOT = Path(__file__).parents[2]
CRATE = ROOT / "crates" / "repo-py"


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def metadata(project: dict[str, Any], version: str) -> str:
    """What pip has to know of the package."""
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Requires-Python: {project['requires-python']}",
    ]
    for extra, requirements in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {one} ; extra == '{extra}'" for one in requirements]
    return "\n".join(lines) + "\n"


def entry_points(project: dict[str, Any]) -> str:
    lines: list[str] = []
    for group, points in project["entry-points"].items():
        lines.append(f"[{group}]")
        lines += [f"{name} = {place}" for name, place in points.items()]
    return "\n".join(lines) + "\n"


def assembled(library: Path, folder: Path) -> Path:
    """Makes the wheel in a folder."""
    pyproject = read(CRATE / "pyproject.toml")
    project, maturin = pyproject["project"], pyproject["tool"]["maturin"]
    version = read(ROOT / "Cargo.toml")["workspace"]["package"]["version"]
    base = f"{project['name'].replace('-', '_')}-{version}"
    system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    tag = f"cp310-abi3-{system}"
    source = CRATE / maturin["python-source"]
    files: dict[str, bytes] = {
        str(path.relative_to(source)): path.read_bytes()
        for path in sorted(source.rglob("*"))
        if path.is_file() and path.suffix in (".py", ".pyi", ".typed")
    }
    files[maturin["module-name"].replace(".", "/") + ".abi3.so"] = library.read_bytes()
    info = f"{base}.dist-info"
    files[f"{info}/METADATA"] = metadata(project, version).encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: assemble\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    )
    files[f"{info}/entry_points.txt"] = entry_points(project).encode()
    record = "".join(f"{name},{digest(held)},{len(held)}\n" for name, held in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{base}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as written:
        for name, held in files.items():
            written.writestr(name, held)
    return wheel


def digest(held: bytes) -> str:
    text = base64.urlsafe_b64encode(hashlib.sha256(held).digest()).decode()
    return f"sha256={text.rstrip('=')}"


if __name__ == "__main__":
    print(assembled(Path(sys.argv[1]), Path(sys.argv[2])))
