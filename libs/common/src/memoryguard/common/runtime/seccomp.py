# SPDX-License-Identifier: Apache-2.0
"""Leaves a process only the system calls that computing needs (Linux's seccomp, x86-64).

Not even root can undo it. Every other call fails with EPERM: nothing is opened, connected, started,
killed, looked into or limited anew.
"""

from __future__ import annotations

import ctypes
import platform
import struct

SYSTEM_CALLS = {
    **{"read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9},
    **{"mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14},
    **{"rt_sigreturn": 15, "ioctl": 16, "readv": 19, "writev": 20, "sched_yield": 24},
    **{"mremap": 25, "madvise": 28, "pause": 34, "nanosleep": 35, "alarm": 37, "setitimer": 38},
    **{"getpid": 39, "exit": 60, "uname": 63, "getrusage": 98, "getppid": 110, "gettid": 186},
    **{"futex": 202, "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228},
    **{"clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "getrandom": 318},
    "rseq": 334,
}
"""What is allowed, with its number (arch/x86/entry/syscalls/syscall_64.tbl of the kernel)."""

# linux/prctl.h, linux/seccomp.h, linux/audit.h, linux/bpf_common.h
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_X86_64 = 0xC000003E
_EPERM = 1
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _MACHINE_AT = 0, 4  # in struct seccomp_data


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def available() -> bool:
    """Whether this is a machine whose system calls we know."""
    return platform.system() == "Linux" and platform.machine() == "x86_64"


def confine() -> None:
    """Give up every system call that is not in `SYSTEM_CALLS`, for good.

    Raises
    ------
    OSError
        The kernel does not let us.
    """
    code = _filter()
    program = _Program(len(code) // _INSTRUCTION.size, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(
        _SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp")


_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter: code, jump if true, if false, operand


def _filter() -> bytes:
    """Write the filter, a program in classic BPF."""
    numbers = sorted(SYSTEM_CALLS.values())
    allowed = [
        _INSTRUCTION.pack(_JUMP_IF_EQUAL, len(numbers) - at, 0, number)
        for at, number in enumerate(numbers)
    ]
    return b"".join(
        (
            _INSTRUCTION.pack(_LOAD, 0, 0, _MACHINE_AT),
            _INSTRUCTION.pack(_JUMP_IF_EQUAL, 1, 0, _X86_64),
            _INSTRUCTION.pack(_RETURN, 0, 0, _KILL),
            _INSTRUCTION.pack(_LOAD, 0, 0, _NUMBER_AT),
            *allowed,
            _INSTRUCTION.pack(_RETURN, 0, 0, _ERRNO | _EPERM),
            _INSTRUCTION.pack(_RETURN, 0, 0, _ALLOW),
        )
    )
