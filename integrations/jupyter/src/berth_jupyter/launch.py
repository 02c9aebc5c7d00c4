# SPDX-License-Identifier: Apache-2.0
"""The program that is run in the container. It needs ipykernel there, and nothing of ours.

It goes as `code` for the pool's `python`, so that a server that keeps interpreters warm can fork one for it.
"""

from __future__ import annotations

_CODE = """
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]  # as ipykernel_launcher does: what is in the working directory hides no module until ipykernel is there

import socket
import ipykernel.kernelapp
import ipykernel_launcher
import zmq

class KernelApp(ipykernel.kernelapp.IPKernelApp):
    name = "ipython-kernel"

    def init_iopub(self, context):
        # A reader that is slow holds up what is written; by default it would lose it.
        context.setsockopt(zmq.XPUB_NODROP, 1)
        super().init_iopub(context)

def bind_as_ever(bind):
    # To bind TCP, libzmq lists the interfaces by netlink, and aborts the process where that is refused. So it gets a socket
    # that is bound already: ipykernel needs one for what its forks print, and one for the debugger.
    def bound(self, address):
        if not (isinstance(address, str) and address.startswith("tcp://127.")):
            return bind(self, address)
        host, _, port = address[6:].rpartition(":")
        self.setsockopt(zmq.USE_FD, socket.create_server((host, int(port.replace("*", "0")))).detach())
        try:
            return bind(self, address)
        finally:
            self.setsockopt(zmq.USE_FD, -1)
    return bound

try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
except OSError:
    zmq.Socket.bind = bind_as_ever(zmq.Socket.bind)

sys.argv = [ipykernel_launcher.__file__, "-f", CONNECTION_FILE]
KernelApp.launch_instance()
"""


def program(connection_file: str) -> str:
    return _CODE.replace("CONNECTION_FILE", repr(connection_file))
