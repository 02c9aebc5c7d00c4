#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates for the tests of all clients: certificates.py FOLDER

Makes, with openssl, NAME.pem and NAME.key for each NAME below; all but `self-signed` are signed by `ca`.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path

SERVER = "DNS:localhost,DNS:berth.test,IP:127.0.0.1,IP:::1"
#: Name, names that it is for, and from when to when, in days from now.
CERTIFICATES = [
    ("server", SERVER, 0, 30),
    ("other", "DNS:other.test", 0, 30),
    ("expired", SERVER, -30, -1),
    ("client", "DNS:conformance", 0, 30),
]


def openssl(*arguments: str, folder: Path) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}:\n{done.stderr}")


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, names in [("ca", ""), ("self-signed", SERVER)]:
        key(name, folder)
        extension = "subjectAltName=" + names if names else "keyUsage=keyCertSign"
        openssl("req", "-x509", "-key", f"{name}.key", "-days", "30", "-subj", f"/CN=Berth test {name}",
                "-addext", extension, "-out", f"{name}.pem", folder=folder)
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    (folder / "conf").write_text(
        "[ca]\ndefault_ca=it\n[it]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\n"
        "unique_subject=no\n[any]\ncommonName=supplied\n")
    for name, names, since, until in CERTIFICATES:
        key(name, folder)
        (folder / "extensions").write_text(f"subjectAltName={names}\n")
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={names.partition(',')[0][4:]}", "-out", "request",
                folder=folder)
        openssl("ca", "-batch", "-notext", "-config", "conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "request",
                "-extfile", "extensions", "-startdate", date(since), "-enddate", date(until), "-out", f"{name}.pem",
                folder=folder)


def key(name: str, folder: Path) -> None:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key", folder=folder)
    os.chmod(folder / f"{name}.key", 0o600)


def date(days: int) -> str:
    # An hour back, for clocks that differ.
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=-1)
    return when.strftime("%Y%m%d%H%M%SZ")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: certificates.py FOLDER")
    make(Path(sys.argv[1]))
