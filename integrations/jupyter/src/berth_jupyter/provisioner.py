# SPDX-License-Identifier: Apache-2.0
"""For Jupyter's kernel managers: JupyterLab, Notebook, nbclient, papermill, jupyter console."""

from __future__ import annotations

import asyncio
import inspect
import secrets
import signal
from typing import Any, Dict, List, Optional

import berth
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from tornado.web import HTTPError
from traitlets import Bool, Dict as DictTrait, Float, Integer, Unicode

from . import spares as spares_of, thread
from .kernel import CHANNELS, StartFailed
from .settings import Settings
from .session import Session


#: So many messages are carried before a death is acted upon; they take some 10 ms.
_TURNS = 1000


def _help(name: str) -> Any:
    return Settings.__dataclass_fields__[name].metadata["help"]


class NotStarted(HTTPError, RuntimeError):
    """One of tornado's errors, since Jupyter's server shows the message of no other in the page."""

    def __init__(self, words: str) -> None:
        super().__init__(503, log_message=words.replace("%", "%%"))
        self.words = words

    def __str__(self) -> str:
        return self.words


class BerthProvisioner(KernelProvisionerBase):
    """Its settings are ``Settings``'s, from the kernelspec, or from Jupyter's configuration files."""

    server = Unicode(help=_help("server")).tag(config=True)
    tls = Bool(help=_help("tls")).tag(config=True)
    pool = Unicode(help=_help("pool")).tag(config=True)
    python = Unicode(help=_help("python")).tag(config=True)
    cwd = Unicode(help=_help("cwd")).tag(config=True)
    env = DictTrait(help=_help("env")).tag(config=True)
    spares = Integer(help=_help("spares")).tag(config=True)
    lifetime = Float(Settings.lifetime, help=_help("lifetime")).tag(config=True)
    acquire_timeout = Float(Settings.acquire_timeout, help=_help("acquire_timeout")).tag(config=True)
    start_timeout = Float(Settings.start_timeout, help=_help("start_timeout")).tag(config=True)

    _session: Optional[Session] = None
    _is_gone = True
    _has_settled = False
    #: The kernel manager's.
    _loop: Optional[asyncio.AbstractEventLoop] = None
    _looking: Optional["asyncio.Future[Any]"] = None

    def settings(self) -> Settings:
        values = {name: getattr(self, name) for name in Settings.__dataclass_fields__}
        values["env"] = {**dict(self.kernel_spec.env or {}), **dict(values["env"])}
        return Settings.of(values)

    @property
    def has_process(self) -> bool:
        return not self._is_gone

    async def poll(self) -> Optional[int]:
        if self._session is None:
            return 0
        code = self._session.exit_code
        if code is None:
            self._has_settled = False
        elif self._session.is_told and not self._has_settled:
            self._has_settled = True
            await self._settle()
        return code

    async def _settle(self) -> None:
        """What the frontends' sockets have of a kernel that died goes to the pages before Jupyter acts on its death.

        Jupyter's server carries one message of a socket in a turn of the loop that this is on. When it restarts the kernel,
        pages forget the cells of before, and what is carried later is shown nowhere.
        """
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def wait(self) -> Optional[int]:
        if self._session is not None:
            await thread.do(self._session.ended())
        self._is_gone = True
        return await self.poll()

    async def send_signal(self, signum: int) -> None:
        if self._session is not None:
            await thread.do(self._session.signal(signum))

    async def kill(self, restart: bool = False) -> None:
        await self._end_by(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        await self._end_by(signal.SIGTERM)

    async def _end_by(self, number: int) -> None:
        if self._session is not None:
            self._session.is_to_end()
            await self.send_signal(number)

    async def shutdown_requested(self, restart: bool = False) -> None:
        if self._session is not None:
            self._session.is_to_end()

    async def pre_launch(self, **kwargs: Any) -> Dict[str, Any]:
        # The environment here is none of the container's business, and there is no command.
        return {**kwargs, "env": {}, "cmd": []}

    async def launch_kernel(self, cmd: List[str], **kwargs: Any) -> KernelConnectionInfo:
        self._loop = asyncio.get_running_loop()
        try:
            await thread.do(self._launch())
        except (berth.BerthError, StartFailed, ValueError) as error:
            words = error.message if isinstance(error, berth.BerthError) else str(error)
            raise NotStarted(f"Berth could not start a kernel: {words}") from None
        self._is_gone = False
        assert self._session is not None
        self.connection_info = {
            "transport": "ipc",
            "ip": self._session.base,
            "key": self._session.key,  # type: ignore[typeddict-item] # it is bytes, whatever its annotation says
            "signature_scheme": self._session.scheme,
            "shell_port": CHANNELS["shell"],
            "iopub_port": CHANNELS["iopub"],
            "stdin_port": CHANNELS["stdin"],
            "control_port": CHANNELS["control"],
            "hb_port": CHANNELS["hb"],
        }
        return self.connection_info

    async def _launch(self) -> None:
        if self._session is not None:
            await self._session.launch()
            return
        settings = self.settings()
        session = spares_of.take(settings)
        if session is None:
            session = Session(settings, self._key())
            await session.launch()
        session.on_death.append(lambda _: self._tell_restarter())
        self._session = session

    def _tell_restarter(self) -> None:
        """Jupyter's server looks every three seconds whether its kernels live: it is told to look now. On our thread."""
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._poll_restarter)

    def _poll_restarter(self) -> None:
        restarter: Any = getattr(self.parent, "_restarter", None)
        if getattr(restarter, "_pcallback", None) is None:
            return  # There is none, or it is stopped.
        looking = restarter.poll()
        if inspect.isawaitable(looking):
            self._looking = asyncio.ensure_future(looking)

    def _key(self) -> bytes:
        manager = self.parent
        key = getattr(getattr(manager, "session", None), "key", b"")
        return key or secrets.token_hex(32).encode()

    async def cleanup(self, restart: bool = False) -> None:
        if self._session is not None and not restart:
            session, self._session, self._is_gone = self._session, None, True
            await thread.do(session.release())

    async def get_provisioner_info(self) -> Dict[str, Any]:
        info = await super().get_provisioner_info()
        member = self._session.container.lease.member if self._session and self._session.container else ""
        return {**info, "member": member}

