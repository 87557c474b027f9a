"""A certificate authority for one run, by openssl. tests/conformance takes it from here."""

import os
import ssl
import subprocess

NAME = "gate.example"


class Authority:
    """A certificate authority in a folder, and a certificate of it for `NAME`."""

    def __init__(self, folder):
        self.certificate = os.path.join(folder, "authority.pem")
        self.chain, self.key = os.path.join(folder, "chain.pem"), os.path.join(folder, "key.pem")
        own_key, request, extensions = (os.path.join(folder, name) for name in ("authority.key", "request.pem", "extensions"))
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl("req", "-x509", *curve, "-keyout", own_key, "-out", self.certificate, "-days", "2", "-subj", "/CN=a test's own")
        self.openssl("req", *curve, "-keyout", self.key, "-out", request, "-subj", f"/CN={NAME}")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"subjectAltName=DNS:{NAME},DNS:localhost,IP:127.0.0.1\n")
        self.openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", own_key, "-CAcreateserial", "-days", "2",
            "-extfile", extensions, "-out", self.chain,
        )

    def trusting(self):
        """What a client needs that believes this authority alone."""
        return ssl.create_default_context(cafile=self.certificate)

    @staticmethod
    def openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
