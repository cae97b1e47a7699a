"""Which processes of this machine live."""

import os


def is_another_living(pid: str) -> bool:
    """Return whether a text is the id of a living process other than this one.

    What is being written is named after its writer; of what a dead one has left, the next writer clears up.
    """
    from psutil import pid_exists

    return pid.isdigit() and int(pid) != os.getpid() and pid_exists(int(pid))
