"""Linux and macOS."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from foldnet.system.linux import allowed_processors, processors_of_container
from foldnet.system.linux import processor_features as processor_features

CAN_COMPILE = True


def architecture() -> str:
    """The processor's architecture, as ``x86_64``."""
    return os.uname().machine


def processors() -> int:
    """How many processors this process, and its container, may use."""
    own = allowed_processors() or os.cpu_count() or 1
    return min(own, processors_of_container() or own)


def is_ours(found: os.stat_result) -> bool:
    """Whether a file belongs to this user or to root, and nobody else can write to it."""
    return found.st_uid in (os.geteuid(), 0) and not found.st_mode & 0o022


def set_mode(handle: int, mode: int) -> None:
    """Give an open file these permissions."""
    os.fchmod(handle, mode)


def flush(path: str | os.PathLike[str]) -> None:
    """Flush a file, or a directory's entries, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock_folder(folder: str | os.PathLike[str]) -> int | None:
    """A handle that keeps other processes out of a folder until it is closed, or the process ends in any way.

    A file system without locks keeps nobody out.

    Raises:
        BlockingIOError: another process has the folder.
        OSError: it cannot be opened.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        pass
    return handle


def run(
    commands: Sequence[tuple[list[str], str, str]], folder: str, seconds: float, more: Mapping[str, str]
) -> int | None:
    """The exit code of commands that run at once: 0, or of one that failed; None if they took too long and were ended.

    None of their processes outlives that. They read and write files, and are started without ``subprocess``: a process
    forked meanwhile would hold on to pipes, and their readers would wait for it to end.

    Args:
        commands: words, with the whole path of the program; the file that it reads; the file for its errors.
        folder: for their temporary files.
        seconds: that they may take together.
        more: variables for them, beside those of this process.

    Raises:
        OSError: one cannot be started.
    """
    import signal
    import time

    end, maker = time.monotonic() + seconds, os.getpid()
    running: list[int] = []
    try:
        for words, given, errors in commands:
            files = [
                (os.POSIX_SPAWN_OPEN, 0, given, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT, 0o600),
            ]
            # A group of its own, so that the programs that it starts end with it.
            child = os.posix_spawn(
                words[0], words, {**os.environ, "TMPDIR": folder, **more},
                file_actions=files, setpgroup=0, setsigdef=[signal.SIGPIPE],
            )  # fmt: skip
            running.append(child)
        while running:
            status = _exit_code(running[0], end)
            if status is None:
                return None
            running.pop(0)
            if status:
                return status
        return 0
    finally:
        for child in running if os.getpid() == maker else ():
            try:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):  # it has ended, and the process ignores SIGCHLD
                continue


def _exit_code(child: int, end: float) -> int | None:
    """How a process ended; None if it did not by that time."""
    import time

    pause = 0.0005
    while True:
        try:
            done, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:  # the process ignores SIGCHLD
            return 0
        left = end - time.monotonic()
        if done or left <= 0:
            return os.waitstatus_to_exitcode(status) if done else None
        time.sleep(min(pause, left))
        pause = min(2 * pause, 0.005)
