#!/usr/bin/env python3
"""The systemd units: systemd reads them without a word, and finds the service confined.

    units.py PROGRAM

Ends with 77 and says so where there is no systemd-analyze.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

UNITS = pathlib.Path(__file__).resolve().parent.parent.parent / "config/systemd"
# `systemd-analyze security` in tenths: 18 on systemd 252; what is left is the network, which is the service's work.
EXPOSURE_MAX = 20
NOT_RUN = 77


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def main(program):
    if not shutil.which("systemd-analyze"):
        print("NOT RUN: there is no systemd-analyze")
        return NOT_RUN
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for unit in UNITS.iterdir():
            text = unit.read_text().replace("/usr/local/bin/sluicegate", str(pathlib.Path(program).resolve()))
            units.append(pathlib.Path(folder, unit.name))
            units[-1].write_text(text)
        status, told = analyze("verify", "--man=no", *units)
        # Of units of this machine it may speak as well.
        ours = [line for line in told.splitlines() if "sluicegate" in line]
        assert status == 0 and not ours, told
    service = UNITS / "sluicegate.service"
    status, told = analyze("security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE_MAX}", service)
    assert status == 0, told
    print(told.strip().splitlines()[-1].lstrip("→ "))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
