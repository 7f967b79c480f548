"""The Next.js example, built and running: npm's packages and the build are kept outside the tree, between runs."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.children import start_child, wait_for_port
from tests.support.node import NODE, cache_folder, environment, install_packages, run_node
from tests.support.processes import Process, ProcessFailed

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nextjs"
LOCK = EXAMPLE / "package-lock.json"
# What running the example leaves in its folder.
LEFT_BEHIND = ("node_modules", ".next", ".tollhouse", ".data", "next-env.d.ts", "tsconfig.tsbuildinfo")
STAMP = ".built"
NEXT = Path("node_modules", "next", "dist", "bin", "next")
BUILD_SECONDS_MAX = 180
START_SECONDS_MAX = 20
SCRIPT_SECONDS_MAX = 20
OPEN = "decode(given).then((tokens) => console.log(JSON.stringify(tokens)))"
SEAL = "encode(given).then((sealed) => console.log(sealed))"


@contextmanager
def built_example() -> Iterator[Path]:
    """The folder of the example with its packages, built from what is in the tree now; nobody rebuilds it meanwhile."""
    folder = cache_folder() / f"nextjs-{_hash([LOCK])}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _hash(_sources())
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        while not _is_built(folder, wanted):  # to change a lock from one kind to the other lets go of it in between
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_built(folder, wanted):
                _build(folder, wanted)
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder


def start_example(example: Path, env: dict[str, str], *, folder: Path, port: int) -> Process:
    """`next start` on the port, with these settings; its output goes to a file in `folder`."""
    output = folder / f"nextjs-{port}.log"
    command = [NODE, NEXT, "start", "--hostname", "localhost", "--port", str(port)]
    with output.open("ab") as stream:
        child = start_child(command, output=stream, env=environment() | env, folder=example)
    process = Process(child, output, port=port)
    if not wait_for_port(child, port, patience_seconds=START_SECONDS_MAX):
        process.stop()
        raise ProcessFailed(f"`next start` did not come to listen:\n{process.text()[-4000:]}")
    return process


def open_session(example: Path, sealed: str, *, secret: str) -> dict[str, Any]:
    """What a session cookie of the app holds, by NextAuth itself."""
    return json.loads(_ask_nextauth(example, OPEN, {"token": sealed, "secret": secret}))


def seal_session(example: Path, tokens: dict[str, Any], *, secret: str) -> str:
    """A session cookie of the app that holds this, by NextAuth itself."""
    return _ask_nextauth(example, SEAL, {"token": tokens, "secret": secret}).strip()


def _ask_nextauth(example: Path, call: str, given: dict[str, Any]) -> str:
    script = f'const given = JSON.parse(process.argv[1]); require("next-auth/jwt").{call}'
    return run_node("-e", script, json.dumps(given), folder=example, seconds_max=SCRIPT_SECONDS_MAX)


def _sources() -> list[Path]:
    inside = (path for path in EXAMPLE.rglob("*") if path.relative_to(EXAMPLE).parts[0] not in LEFT_BEHIND)
    return sorted(path for path in inside if path.is_file() and not path.name.endswith(".local"))


def _hash(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(EXAMPLE)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _is_built(folder: Path, wanted: str) -> bool:
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_text() == wanted


def _build(folder: Path, wanted: str) -> None:
    for left in (path for path in folder.iterdir() if path.name != "node_modules"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    for path in _sources():
        target = folder / path.relative_to(EXAMPLE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    install_packages(folder)
    run_node(NEXT, "build", folder=folder, seconds_max=BUILD_SECONDS_MAX)
    (folder / STAMP).write_text(wanted)
