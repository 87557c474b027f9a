"""What the load tests start and stop: the release program as a demo or as a sidecar, and what they ask of it."""

import os
import pathlib
import re
import resource
import select
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 60


def release_program():
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return ROOT / "target/release/sluicegate"


def allow_files(count):
    """Open files that this process and those that it starts may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        sys.exit(f"{count} open files are needed, the hard limit is {hard}: raise it (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Program:
    """A command of the program that tells its addresses when it listens."""

    def __init__(self, program, command, options, folder, environment=None):
        base = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICEGATE_"))}
        base |= {"HOME": folder, "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"} | (environment or {})
        self.process = subprocess.Popen([program, command, *options], stdout=subprocess.PIPE, text=True, env=base)

    def told(self, pattern):
        """The first group of the pattern in a line that the program prints."""
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until and self.process.poll() is None:
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                found = re.search(pattern, self.process.stdout.readline())
                if found:
                    return found[1]
        sys.exit(f"the program did not say {pattern}")

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def settled_kib(self):
        """Resident memory once two looks a second apart agree within 64 KiB."""
        last = self.resident_kib()
        for _ in range(20):
            time.sleep(1)
            now = self.resident_kib()
            if abs(now - last) <= 64:
                return now
            last = now
        return last

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
