"""Disks that fail, for tests of writers."""

import contextlib
import errno
import os
import resource


@contextlib.contextmanager
def file_size_limit(num_bytes):
    """Let the operating system refuse to write files that are longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fail_for_lack_of_space(*_, **__):
    """Stands in for a function of the operating system."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
