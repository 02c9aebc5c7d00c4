# SPDX-License-Identifier: Apache-2.0
"""A fresh Debian to install the package into, and programs that run in it."""
import os
import pathlib
import re
import select
import subprocess
import sys

from servers import BERTH, PATIENCE, ROOT

#: Enters the root as a container would: a mount and a network namespace of its own, with nothing but a loopback device.
ENTER = r"""
set -e
root=$1; shift
mount --bind "$root" "$root"
cd "$root"
mount --rbind /sys sys
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
ip link set lo up
pivot_root . mnt
umount -l /mnt
exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive "$@"
"""


def build_deb(folder, *options):
    """Builds the package from the programs that are tested; its path."""
    done = subprocess.run(
        [ROOT / "packaging/build-deb", "--build", pathlib.Path(BERTH).parent, "--output", folder, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(done.stdout.strip())


def field(package, name):
    return subprocess.run(["dpkg-deb", "-f", package, name], check=True, capture_output=True, text=True).stdout.strip()


class Root:
    def __init__(self, folder, packages):
        self.folder = folder
        done = subprocess.run(
            ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory",
             f"--include={','.join(packages)}", "--aptopt=APT::Install-Recommends \"false\"",
             "--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io", "bookworm", str(folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=540)
        assert done.returncode == 0, done.stdout

    def command(self, *words):
        return ["unshare", "--mount", "--net", "--", "sh", "-c", ENTER, "sh", str(self.folder), *words]

    def run(self, *words, check=True, **options):
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=4 * PATIENCE, **options)
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def copy(self, path):
        """Copies a file in; its path there."""
        (self.folder / "tmp" / path.name).write_bytes(path.read_bytes())
        return f"/tmp/{path.name}"

    def files(self):
        """The names of all files, but those that dpkg, apt and caches keep for themselves."""
        own = re.compile(r"^/(proc|sys|dev|run|tmp|mnt|root|var/lib/dpkg|var/cache/(apt|man|ldconfig|debconf)|var/log|etc/ld.so.cache)\b")
        found = set()
        for place, folders, files in os.walk(self.folder):
            for name in folders + files:
                path = "/" + os.path.relpath(os.path.join(place, name), self.folder)
                if not own.match(path):
                    found.add(path)
        return found


class Terminal:
    """A shell in the root at a terminal, with a person who types once there is something to answer."""

    def __init__(self, root, *words):
        import pty
        self.text = ""
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execvp("unshare", root.command("env", "TERM=xterm", "PS1=ready> ", "COLUMNS=200", *words))

    def read_until(self, words):
        """Everything up to these words, which were not there before."""
        while words not in self.text:
            ready, _, _ = select.select([self.descriptor], [], [], PATIENCE)
            assert ready, f"{words!r} did not come: {self.text!r}"
            try:
                self.text += os.read(self.descriptor, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"it has ended without {words!r}: {self.text!r}") from None
        before, _, self.text = self.text.partition(words)
        return before

    def type(self, text):
        os.write(self.descriptor, text.encode())

    def end(self):
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)


if __name__ == "__main__":
    sys.exit("this is a part of packaging/tests")
