"""HTTP/2 over TLS in front of the embedded store: cases of RFC 9113, floods, real clients. Prints a line per check and ends with how many failed."""

import argparse
import os
import sys
import tempfile
import traceback

import clients
import floods
import rfc9113
import servers
from authority import Authority


PARTS = ["conformance", "clients", "floods"]


class Report:
    def __init__(self, only):
        self.only, self.passed, self.failed = only, 0, 0

    def __call__(self, name, check):
        if self.only and self.only not in name:
            return
        try:
            check()
            self.passed += 1
            print(f"ok        {name}", flush=True)
        except Exception:  # a failing check must not hide the others
            self.failed += 1
            print(f"FAILED    {name}\n{traceback.format_exc()}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", default="", help="checks with this in their name")
    parser.add_argument("--part", choices=PARTS, action="append", help="all of them if not given")
    arguments = parser.parse_args()
    parts = arguments.part or PARTS
    binary = os.path.abspath(arguments.binary)
    report = Report(arguments.only)
    with tempfile.TemporaryDirectory(prefix="http2-") as folder:
        authority = Authority(folder)
        with servers.demo(binary, authority, os.path.join(folder, "data")) as (demo, endpoint, keys):
            with servers.serve(binary, authority, endpoint, keys, "--workers", "2") as serve:
                failed = rfc9113.run(serve, authority, arguments.only, report) if "conformance" in parts else 0
                if "clients" in parts:
                    clients.run_all("serve", serve, authority, report)
            if "clients" in parts:
                with servers.sidecar(binary, authority, endpoint, keys, "--workers", "2") as sidecar:
                    clients.run_all("sidecar", sidecar, authority, report)
                clients.run_all("demo", demo, authority, report)
            if "floods" in parts:
                with servers.serve(binary, authority, endpoint, keys, "--workers", "1", tables=floods.TABLES) as serve:
                    floods.run(serve, authority, report)
    failed += report.failed
    print(f"{report.passed} checks passed, {failed} checks or cases failed")
    sys.exit(1 if failed else 0)


main()
