#!/usr/bin/env python3
"""Starts a program in another root, as a user without capabilities or ways to new ones: what a container engine does last.

    in_root.py ROOT USER GROUP PROGRAM ARGUMENT…
"""

import ctypes
import os
import sys

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
# More than the kernel knows (capabilities(7)): the first that is unknown ends the loop.
CAPABILITIES_MAX = 64


def main(root, user, group, *program):
    libc = ctypes.CDLL(None, use_errno=True)
    os.chroot(root)
    os.chdir("/")
    for capability in range(CAPABILITIES_MAX):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    os.execv(program[0], program)


if __name__ == "__main__":
    main(*sys.argv[1:])
