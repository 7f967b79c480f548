"""Child processes that never outlive the tests, however those end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """The system account a child runs as, where it refuses to run as root."""

    uid: int
    gid: int


def free_port() -> int:
    """A TCP port on the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def free_port_before_another() -> int:
    """A port that nobody listens on just now, as on the one after it: `tollhouse dev` takes both."""
    while True:
        port = free_port()
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port + 1))
            except (OSError, OverflowError):
                continue
            return port


def start_child(
    argv: Sequence[str | Path],
    *,
    output: IO[bytes],
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    signal_when_orphaned: signal.Signals = signal.SIGKILL,
    folder: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """A process in a group of its own, writing both streams to `output`; it gets the signal if this one dies."""
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=folder,
        pass_fds=pass_fds,
        process_group=0,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        # In the child, after it has changed its user: that change would clear the wish again.
        preexec_fn=die_with_parent(signal_when_orphaned),  # noqa: PLW1509 (it calls one function of libc, loaded before)
    )


def die_with_parent(wanted: signal.Signals) -> Callable[[], None] | None:
    """What a child of this process calls to get the signal when this one dies; None where no system does that."""
    if _libc is None:
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(wanted))
        if os.getppid() != parent:  # the parent died in between, and its signal with it
            os._exit(1)

    return ask_kernel


class Child(Protocol):
    """A process of ours: `subprocess.Popen`, or what stands for one that another process has started for us."""

    @property
    def pid(self) -> int:
        """Its id, also of its group."""
        ...

    def poll(self) -> int | None:
        """Its exit code, minus the signal's number when one ended it; None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; `subprocess.TimeoutExpired` when the seconds are over."""
        ...

    def send_signal(self, sig: int) -> None:
        """Signal it, unless it is known to have ended."""
        ...


def signal_group(child: Child, wanted: signal.Signals) -> None:
    """Send the signal to the child and to what it started; nothing where they are gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, wanted)


def stop_child(child: Child, wanted: signal.Signals, *, patience_seconds: float) -> int:
    """The exit code of the child after the signal, or after SIGKILL to its group when its time is up."""
    if child.poll() is None:
        child.send_signal(wanted)
        try:
            child.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            signal_group(child, signal.SIGKILL)
    code = child.wait()
    signal_group(child, signal.SIGKILL)
    return code


def wait_for_port(child: Child, port: int, *, patience_seconds: float) -> bool:
    """Whether the child came to listen on the port; False when it ended or its time was up."""
    deadline = time.monotonic() + patience_seconds
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
            return True
        time.sleep(0.02)
    return False


def make_folder(prefix: str, *, account: Account | None = None) -> Path:
    """A new folder under the system's temporary one, named after this process and owned by the account."""
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-{os.getpid()}-"))
    if account:
        os.chown(folder, account.uid, account.gid)
    return folder


def find_abandoned_folders(prefix: str) -> list[Path]:
    """Folders of that prefix whose process no longer lives: killed runs could not clear them away."""
    folders = Path(tempfile.gettempdir()).glob(f"{prefix}-*-*")
    return [folder for folder in folders if not _lives(folder.name.removeprefix(f"{prefix}-").split("-")[0])]


def _lives(pid: str) -> bool:
    if not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
