"""Servers that a load test starts, each on CPUs of its own, and what the kernel says that they use."""

import os
import pathlib
import signal
import socket
import subprocess
import time

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 10
TICKS = os.sysconf("SC_CLK_TCK")


class NotStarted(Exception):
    """A server that ended, or did not listen in time; says what it said."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Started:
    """A server on some CPUs that listens on a port; ended by its own process id."""

    def __init__(self, cpus, command, port, env=None, ended_by=signal.SIGTERM):
        command = ["taskset", "-c", cpus, *map(str, command)]
        base = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICEGATE_"))}
        self.process = subprocess.Popen(
            command, env=base | (env or {}), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.pid, self.port, self.ended_by = self.process.pid, port, ended_by
        self.wait_for_port()

    def wait_for_port(self):
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        name = self.process.args[3]
        self.stop()
        said = self.process.stderr.read().decode(errors="replace").strip()[-1000:]
        raise NotStarted(f"{name} did not start: {said or 'it said nothing'}")

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.send_signal(self.ended_by)
        try:
            self.process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.process.stderr.close()


def tree(pid):
    """A process and all that it started and that still runs."""
    found = [pid]
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [member for child in children.read_text().split() for member in tree(int(child))]
        except OSError:
            continue  # a thread that has ended meanwhile
    return found


def cpu_seconds(pid):
    """User and system time of a process and its children, threads and kernel workers included."""
    total = 0
    for member in tree(pid):
        fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def busy_seconds(cpu):
    """What a CPU has been used for anything, and what the host took of it."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            return (user + nice + system + irq + softirq + steal) / TICKS
    raise LookupError(f"there is no CPU {cpu}")


def resident_bytes(pid, field="VmRSS"):
    """Resident memory of a process and its children; `VmHWM`: the most since `forget_peak`, or since they started."""
    total = 0
    for member in tree(pid):
        for line in pathlib.Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                total += int(line.split()[1]) * 1024
    return total


def forget_peak(pid):
    for member in tree(pid):
        pathlib.Path(f"/proc/{member}/clear_refs").write_text("5")
