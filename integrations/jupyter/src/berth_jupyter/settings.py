# SPDX-License-Identifier: Apache-2.0
"""What can be set, for both ways to start a kernel. The README's table is tested against this one."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Dict, List, Mapping, Tuple

#: A request's program may run no longer (max_execution_timeout of the server, by default).
LONGEST_LIFE = 86400.0


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    server: str = _setting("", "address of the Berth server, HOST:PORT, tls://HOST:PORT or unix:PATH; empty: BERTH_SERVER, else 127.0.0.1:7411")
    tls: bool = _setting(False, "the server is behind TLS, whose certificate this machine trusts")
    pool: str = _setting("", "pool whose containers the kernels run in; empty: the server's default pool")
    python: str = _setting("", "interpreter in the container, which has ipykernel; empty: the pool's python")
    cwd: str = _setting("", "working directory in the container; empty: the pool's, /workspace")
    env: Tuple[Tuple[str, str], ...] = _setting((), "environment variables of the kernel, NAME=VALUE")
    spares: int = _setting(0, "kernels kept running, so that the next one is there at once; each holds a container")
    lifetime: float = _setting(LONGEST_LIFE, "seconds after which a kernel ends; the server's max_execution_timeout is the most")
    acquire_timeout: float = _setting(60.0, "seconds to wait for a container when none is warm")
    start_timeout: float = _setting(60.0, "seconds that a kernel may take to start in its container")

    def __post_init__(self) -> None:
        if self.spares < 0:
            raise ValueError(f"spares is {self.spares}: it is 0 or more")
        for name in ("lifetime", "acquire_timeout", "start_timeout"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it is more than 0 seconds")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """From what a kernelspec or a configuration file says; times may be whole numbers there, and env is a map."""
        known = {each.name for each in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        given["env"] = tuple(sorted(dict(given.get("env", ())).items()))
        return cls(**given)

    def changed(self) -> Dict[str, Any]:
        """What differs from the defaults, as a kernelspec holds it."""
        defaults = asdict(type(self)())
        values = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        if "env" in values:
            values["env"] = dict(values["env"])
        return values

    # MARK: As flags

    @classmethod
    def add_flags(cls, parser: argparse.ArgumentParser) -> None:
        for each in fields(cls):
            assert each.default is not MISSING
            flag, about = "--" + each.name.replace("_", "-"), each.metadata["help"]
            if each.name == "tls":
                parser.add_argument(flag, action="store_true", help=about)
            elif each.name == "env":
                parser.add_argument(flag, action="append", default=[], metavar="NAME=VALUE", help=about + "; may be repeated")
            else:
                kind = type(each.default)
                parser.add_argument(flag, type=kind, default=each.default, help=about, metavar=each.name.upper())

    @classmethod
    def from_flags(cls, options: argparse.Namespace) -> Settings:
        values = {each.name: getattr(options, each.name) for each in fields(cls)}
        for pair in values["env"]:
            if "=" not in pair[1:]:
                raise ValueError(f"--env {pair}: say NAME=VALUE")
        values["env"] = [pair.split("=", 1) for pair in values["env"]]
        return cls.of(values)

    def flags(self) -> List[str]:
        """The same as words for a command."""
        words: List[str] = []
        for name, value in self.changed().items():
            flag = "--" + name.replace("_", "-")
            if name == "tls":
                words.append(flag)
            elif name == "env":
                for pair in value.items():
                    words += [flag, "=".join(pair)]
            else:
                words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
        return words
