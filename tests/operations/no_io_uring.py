#!/usr/bin/env python3
"""Starts a program under a seccomp filter that answers EPERM to io_uring_setup, as container runtimes do. Needs no root.

    no_io_uring.py PROGRAM ARGUMENT…
"""

import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
# The same number on every architecture (asm-generic/unistd.h).
IO_URING_SETUP = 425
EPERM = 1
# seccomp_data (linux/seccomp.h): the call's number is its first word, the architecture its second.
NUMBER, ARCHITECTURE = 0, 4
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# linux/bpf_common.h, linux/filter.h, linux/seccomp.h
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def instruction(code, yes, no, value):
    return struct.pack("HBBI", code, yes, no, value)


def forbid():
    program = b"".join(
        [
            instruction(LOAD_WORD, 0, 0, ARCHITECTURE),
            instruction(JUMP_EQUAL, 0, 3, AUDIT_ARCH[platform.machine()]),
            instruction(LOAD_WORD, 0, 0, NUMBER),
            instruction(JUMP_EQUAL, 0, 1, IO_URING_SETUP),
            instruction(RETURN, 0, 0, ERRNO | EPERM),
            instruction(RETURN, 0, 0, ALLOW),
        ]
    )
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in [
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0),
    ]:
        if libc.prctl(*arguments) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])
