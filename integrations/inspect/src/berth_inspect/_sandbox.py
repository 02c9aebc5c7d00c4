# SPDX-License-Identifier: Apache-2.0
"""The sandbox: a leased container for each sample."""

from __future__ import annotations

import asyncio
import posixpath
import shlex
from logging import getLogger
from typing import Any, Literal, overload

import berth
import berth.aio
from berth import EndCause, Reason, Stream
from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxConnection,
    SandboxEnvironment,
    SandboxEnvironmentConfigType,
    SandboxEnvironmentLimits,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
    sandboxenv,
)
from inspect_ai._util.error import PrerequisiteError
from pydantic import BaseModel
from rich import print
from typing_extensions import override

from ._config import CONFIG_FILE, BerthSandboxConfig
from ._ends import failed, result_of
from ._errors import errors_of_file, unavailable
from ._output import Tail
from ._users import Users

logger = getLogger(__name__)

#: Programs of one sandbox at a time; more wait here. A container takes 32 that may leave something running, and those that
#: have left something count among them.
MAX_PROGRAMS = 16
#: Between TERM and KILL when a timeout has passed, in seconds.
GRACE = 2.0
#: How long after a timeout and its grace the server's answer is waited for, in seconds.
SLACK = 10.0
#: The timeouts of a first and a second retry are no longer than this, in seconds.
RETRIES = (60, 30)


@sandboxenv(name="berth")
class BerthSandboxEnvironment(SandboxEnvironment):
    """A container of a Berth server, leased for one sample, on a connection of its own.

    A program's timeout is enforced by the container, which kills all that the program has started, so it is final: nothing
    is run a second time because of it. ``timeout_retry`` is about a server that gives no answer. ``concurrency`` has no
    effect, since no process runs here.
    """

    def __init__(self, config: BerthSandboxConfig, client: berth.aio.Client, lease: berth.aio.Lease) -> None:
        super().__init__()
        self._config = config
        self._client = client
        self._lease = lease
        self._directory = "/"
        self._users = Users(lease, 0, "")
        self._programs = asyncio.Semaphore(MAX_PROGRAMS)
        self._renewing: asyncio.Task[None] | None = None

    # MARK: Tasks and samples

    @override
    @classmethod
    async def task_init(cls, task_name: str, config: SandboxEnvironmentConfigType | None) -> None:
        """Raises ``PrerequisiteError`` when there is no server, or no such pool: before any sample has begun."""
        wanted = BerthSandboxConfig.of(config)
        try:
            async with _client(wanted) as client:
                pools = (await client.hello()).pools
        except berth.BerthError as error:
            # The message says what to do about it.
            raise PrerequisiteError(f"{error.message}, or `server` in {CONFIG_FILE}") from error
        for pool in (wanted.pool, *wanted.others.values()):
            if pool is not None and pool not in pools:
                raise PrerequisiteError(
                    f"The Berth server at {wanted.address} has no pool {pool!r}. It has: {', '.join(pools)}"
                )

    @override
    @classmethod
    async def sample_init(
        cls, task_name: str, config: SandboxEnvironmentConfigType | None, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        wanted = BerthSandboxConfig.of(config)
        environments: dict[str, SandboxEnvironment] = {}
        try:
            for name, pool in {"default": wanted.pool, **wanted.others}.items():
                environments[name] = await cls._leased(wanted, pool)
        except BaseException:
            await cls.sample_cleanup(task_name, config, environments, True)
            raise
        return environments

    @classmethod
    async def _leased(cls, config: BerthSandboxConfig, pool: str | None) -> BerthSandboxEnvironment:
        client = _client(config)
        try:
            lease = await client.acquire(pool, wait=config.wait, detached=config.detached)
            environment = cls(config, client, lease)
            await environment._begin()
        except BaseException as error:
            await client.close()
            if isinstance(error, berth.BerthError):
                raise SandboxUnavailableError(f"Berth gave no container: {error.message}") from error
            raise
        _living.add(environment)
        return environment

    async def _begin(self) -> None:
        # Without `id`, the server alone knows the user.
        found = await self._lease.run(shell="pwd; id -u; id -un")
        if found.end.cause is EndCause.START_FAILED:
            raise SandboxUnavailableError(f"the container can't be used: {found.end.message}")
        directory, uid, name, *_ = [*found.text.splitlines(), "", "", ""]
        self._directory = directory or "/"
        self._users = Users(self._lease, int(uid) if uid.isdecimal() else 0, name)
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        """Keeps the lease while a model thinks for longer than an unused lease lasts."""
        while True:
            await asyncio.sleep(max(0.1, self._lease.ttl / 3))
            try:
                await self._lease.renew()
            except berth.NotFoundError:
                return  # It has ended. The next call says so.
            except berth.BerthError as error:
                logger.info("a lease could not be renewed: %s", error)

    async def _end(self, *, releases: bool) -> None:
        _living.discard(self)
        if self._renewing is not None:
            self._renewing.cancel()
        try:
            if releases:
                await self._lease.release()
        except berth.BerthError as error:
            # It has ended already, or does so: it goes with its connection.
            logger.info("a lease was not released: %s", error)
        finally:
            await self._client.close()

    @override
    @classmethod
    async def sample_cleanup(
        cls,
        task_name: str,
        config: SandboxEnvironmentConfigType | None,
        environments: dict[str, SandboxEnvironment],
        interrupted: bool,
    ) -> None:
        for environment in environments.values():
            await environment.as_type(BerthSandboxEnvironment)._end(releases=True)

    @override
    @classmethod
    async def task_cleanup(cls, task_name: str, config: SandboxEnvironmentConfigType | None, cleanup: bool) -> None:
        """With ``--no-sandbox-cleanup``, the samples' containers are still there: says how to look at them."""
        if cleanup:
            return
        for environment in list(_living):
            if environment._config.detached:
                print(f"A container of Berth is kept for {environment._lease.ttl:.0f} s after its last use:")
                print(environment._command())
            else:
                print(f"{environment._lease.member} ends with its connection: `detached: true` in {CONFIG_FILE} would keep it")
            await environment._end(releases=False)

    @override
    @classmethod
    async def cli_cleanup(cls, id: str | None) -> None:
        """Releases one lease, by its token. There is nothing else to clean up: a container ends by itself, ten seconds after
        the connection of the evaluation that has leased it."""
        config = BerthSandboxConfig()
        if id is None:
            print("Containers of Berth end with the evaluation that has leased them: there is nothing to clean up.")
            return
        try:
            async with _client(config) as client:
                await client.lease(id).release()
        except berth.NotFoundError:
            print("This lease has ended already.")
        except berth.BerthError as error:
            raise PrerequisiteError(f"The lease could not be released: {error.message}") from error

    @override
    @classmethod
    def config_files(cls) -> list[str]:
        return [CONFIG_FILE]

    @override
    @classmethod
    def config_deserialize(cls, config: dict[str, Any]) -> BaseModel:
        return BerthSandboxConfig(**config)

    @override
    def default_polling_interval(self) -> float:
        return 0.2

    # MARK: Programs

    @override
    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        if any("\0" in word for word in cmd):
            raise ValueError("embedded null byte")  # In these words Inspect knows it.
        options: dict[str, Any] = {
            "stdin": input,
            "cwd": None if cwd is None else self._path(cwd),
            "env": {**self._config.env, **(env or {})},
            # What a command has left running goes on, as in any container: `nohup … &` of the bash tool, servers.
            "keep_background": True,
            "grace": GRACE,
        }
        try:
            options["uid"] = await self._users.uid(user)
        except berth.BerthError as error:
            raise unavailable(error) from error
        timeouts: list[float | None] = [timeout]
        if timeout is not None and timeout_retry:
            timeouts += [min(timeout, longest) for longest in RETRIES]
        for limit in timeouts:
            try:
                async with self._programs:
                    return await self._run(cmd, limit, options)
            except berth.DeadlineExceededError:
                logger.warning("Berth gave no answer within a timeout of %s s", limit)
        raise TimeoutError(f"Command timed out after {timeout} seconds: the server gave no answer")

    async def _run(self, cmd: list[str], timeout: float | None, options: dict[str, Any]) -> ExecResult[str]:
        limit = SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE
        tails = {Stream.STDOUT: Tail(limit), Stream.STDERR: Tail(limit)}
        if timeout is None:
            options = {**options, "timeout": self._config.longest}
        else:
            options = {**options, "timeout": timeout, "deadline": timeout + GRACE + SLACK}
        execution = self._lease.execute(cmd, **options)
        try:
            async with execution:
                async for event in execution:
                    if isinstance(event, berth.Output):
                        tails[event.stream].add(event.data)
                end = await execution.wait()
        except berth.DeadlineExceededError:
            raise
        except berth.PermissionDeniedError as error:
            if options["uid"] is None:
                raise unavailable(error) from error
            raise SandboxUserUnsupportedError(error.message) from error
        except berth.BerthError as error:
            if error.reason in (Reason.BACKGROUND_LIMIT, Reason.MESSAGE_TOO_LARGE):
                # About the command, and what commands before it have left: whoever gave it can do something about it.
                return failed(126, error.message)
            raise unavailable(error) from error
        return result_of(cmd, end, tails[Stream.STDOUT].text(), tails[Stream.STDERR].text(), timeout)

    # MARK: Files

    @override
    async def write_file(self, file: str, contents: str | bytes) -> None:
        path = self._path(file)
        with errors_of_file(path, file):
            await self._lease.write_file(path, contents, mode=await self._mode(path), create_parents=True)

    async def _mode(self, path: str) -> int:
        """A file that is there keeps its permissions."""
        try:
            return (await self._lease.stat(path, follow=True)).mode
        except (berth.NotFoundError, berth.PermissionDeniedError, berth.FailedPreconditionError) as error:
            if error.reason is Reason.NO_SUCH_LEASE:
                raise
            return 0o644  # Writing says what is wrong.

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    @override
    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        path = self._path(file)
        limit = SandboxEnvironmentLimits.MAX_READ_FILE_SIZE
        data = bytearray()
        try:
            with errors_of_file(path, file):
                async with self._lease.open_file(path, length=limit + 1) as reader:
                    async for piece in reader:
                        data += piece
                        if max(len(data), reader.info.size if reader.info is not None else 0) > limit:
                            raise OutputLimitExceededError(SandboxEnvironmentLimits.MAX_READ_FILE_SIZE_STR, None)
        except NotADirectoryError as error:
            # The interface has one error for a file that does not exist.
            raise FileNotFoundError(error.errno, error.strerror, file) from error
        return data.decode("utf-8") if text else bytes(data)

    def _path(self, file: str) -> str:
        return posixpath.join(self._directory, file)

    # MARK: For people

    @override
    async def connection(self, *, user: str | None = None) -> SandboxConnection:
        try:
            if await self._users.uid(user) is not None:
                raise NotImplementedError("`berth run` has no way to say as whom: leave the user out")
            await self._lease.renew()
        except berth.BerthError as error:
            raise ConnectionError(f"the container is not running: {error.message}") from error
        return SandboxConnection(type="berth", command=self._command(), container=self._lease.member)

    def _command(self) -> str:
        server = ["--server", self._config.address]
        return shlex.join(["berth", "run", "-it", *server, "--lease", self._lease.token, "--", "bash", "-l"])


#: Sandboxes that were not cleaned up.
_living: set[BerthSandboxEnvironment] = set()


def _client(config: BerthSandboxConfig) -> berth.aio.Client:
    """Connects when it is first used. Raises ``PrerequisiteError``."""
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        raise PrerequisiteError('The sandbox "berth" needs asyncio: unset INSPECT_ASYNC_BACKEND') from error
    try:
        return berth.aio.Client(config.address, tls=config.tls)
    except ValueError as error:
        raise PrerequisiteError(f"The address of the Berth server: {error}") from error
