"""A process that stops halfway through the recovery of a write-ahead log, run by the tests: SHM-FILE."""

from __future__ import annotations

import fcntl
import sys

WRITE_LOCK, RECOVER_LOCK = 120, 122  # bytes of the file, https://www.sqlite.org/walformat.html#locks
HEADER_COPIES_BYTES = 96


def main(path: str) -> None:
    with open(path, "r+b") as file:
        for byte in (WRITE_LOCK, RECOVER_LOCK):
            fcntl.lockf(file, fcntl.LOCK_EX, 1, byte)
        file.write(bytes(HEADER_COPIES_BYTES))
        file.flush()
        print("locked", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1])
