#!/usr/bin/env python3
"""The image without a container engine: its root is made by the steps of config/container/Containerfile, and the program runs in it as
an engine would run it: as its user, read-only, without capabilities or new privileges, where io_uring is forbidden.

    container_root.py PROGRAM

Needs root for the mounts; ends with 77 and says so without it. PROGRAM stands for what the first stage builds.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import epoll_rung

HERE = pathlib.Path(__file__).resolve().parent
RECIPE = HERE.parent.parent / "config/container/Containerfile"
ROOT_OF_IMAGE = "/root-of-image"
NOT_RUN = 77


def instructions():
    """Stage and words of each instruction."""
    text = RECIPE.read_text().replace("\\\n", " ")
    stage = None
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            named = re.search(r" AS (\S+)$", rest)
            stage = named.group(1) if named else "image"
        elif word.isupper():
            yield stage, word, rest.strip()


def make_root(root, program):
    """The steps of the stage `base`, but for what a package manager does, which this machine has done."""
    for stage, word, rest in instructions():
        if stage != "base":
            continue
        if word == "RUN":
            commands = [part for part in rest.split(" && ") if not part.strip().startswith("apt-get ")]
            script = " && ".join(commands).replace(ROOT_OF_IMAGE, str(root))
            subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True)
        elif word == "COPY":
            assert rest.startswith("--from=build "), rest
            shutil.copy(program, rest.split()[-1].replace(ROOT_OF_IMAGE, str(root)))
        else:
            raise AssertionError(f"{word} is not known here")


def of_image(word):
    return next(rest for stage, known, rest in instructions() if stage == "image" and known == word)


def command(root, conf):
    """What an engine does, by mounts of this process's own."""
    user, group = of_image("USER").split(":")
    assert int(user) > 0, "nobody's root"
    program = json.loads(of_image("ENTRYPOINT")) + json.loads(of_image("CMD"))
    mounts = [
        "mount --make-rprivate /",
        f"mount --bind {root} {root}",
        f"mount --bind {conf} {root}/etc/sluicegate",
        f"mount -t proc proc {root}/proc",
        f"mount -o remount,bind,ro {root}/etc/sluicegate",
        f"mount -o remount,bind,ro {root}",
        f'exec {sys.executable} {HERE}/in_root.py {root} {user} {group} "$@"',
    ]
    return ["unshare", "--mount", "sh", "-euc", "\n".join(mounts), "sh", *program]


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def check_confined(pid):
    status = status_of(pid)
    assert set(status["Uid"].split()) == {of_image("USER").split(":")[0]}, status["Uid"]
    for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, f"{name}: {status[name]}"
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    mounted = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    options = {line.split()[4]: line.split()[5].split(",") for line in mounted}
    assert "ro" in options["/"] and "ro" in options["/etc/sluicegate"], options


def main(program):
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        print("NOT RUN: mounts of one's own need root")
        return NOT_RUN
    with tempfile.TemporaryDirectory() as folder:
        root, conf = pathlib.Path(folder, "root"), pathlib.Path(folder, "conf")
        conf.mkdir()
        make_root(root, program)
        (root / "proc").mkdir()
        for path in (folder, root, conf):
            os.chmod(path, 0o755)
        (conf / "api.json").write_text(json.dumps(epoll_rung.DOCUMENT))
        (conf / "sluicegate.toml").write_text(
            "[server]\nlisten = ['127.0.0.1:0']\nadmin = '127.0.0.1:0'\nlog_format = 'text'\n"
            "[s3]\nendpoint = 'https://127.0.0.1:9'\naccess_key_id = 'A'\nsecret_access_key = 'S'\n[[api]]\nfile = 'api.json'\n"
        )
        filtered = [sys.executable, HERE / "no_io_uring.py", *command(root, conf)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running = subprocess.Popen(filtered, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, text=True, **pipes)
        try:
            try:
                base, admin = epoll_rung.urls(running)
            except AttributeError:
                raise AssertionError(running.communicate()[1]) from None
            check_confined(running.pid)
            assert epoll_rung.fetch(f"{base}/who") == "me"
            assert "driver=\"epoll\"" in epoll_rung.fetch(f"{admin}/metrics")
            running.send_signal(getattr(signal, of_image("STOPSIGNAL")))
            _, told = running.communicate(timeout=epoll_rung.WAIT_S)
        finally:
            running.kill()
        assert running.returncode == 0, told
        assert "no certificate authorities" not in told, told
        files = sum(1 for path in root.rglob("*") if path.is_file())
    print(f"the image's root ({files} files) serves as its user, read-only, without capabilities")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
