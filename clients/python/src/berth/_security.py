# SPDX-License-Identifier: Apache-2.0
"""TLS and tokens: what a client was told of them, and what the environment says where it was not."""

from __future__ import annotations

import os
import ssl
from typing import Any, NamedTuple, Optional, Union

from ._address import Address
from ._errors import BerthError, Code

File = Union[str, "os.PathLike[str]"]


class Security(NamedTuple):
    """``context`` is None without TLS, ``token`` where none is sent."""

    context: Optional[ssl.SSLContext]
    server_name: str
    token: Optional[str]
    #: A certificate of ours was named, so that a server that wants one has it.
    is_named: bool

    @staticmethod
    def again(address: Address, *credentials: Any) -> Security:
        """The same for a later connection: the files may have been exchanged. Raises ``BerthError``."""
        try:
            return Security.of(address, *credentials)
        except ValueError as error:
            raise BerthError.of(Code.INVALID_ARGUMENT, str(error)) from error

    @staticmethod
    def of(
        address: Address,
        tls: Union[ssl.SSLContext, bool, None],
        ca: Optional[File],
        cert: Optional[File],
        key: Optional[File],
        server_name: Optional[str],
        token: Optional[str],
    ) -> Security:
        """Raises ``ValueError`` for what cannot be used, or not together."""
        name = server_name or address.host
        sent = _token(token)
        is_plain = not (address.is_tls or tls or ca or cert or key)
        if is_plain and sent and not address.is_local:
            raise ValueError(
                f"a token is not sent to {address} without TLS, since others could read it: connect to tls://{address}"
            )
        if isinstance(tls, ssl.SSLContext):
            if ca or cert or key:
                raise ValueError("tls is an SSLContext, which holds ca, cert and key: say one or the other")
            return Security(tls, name, sent, True)
        if is_plain:
            return Security(None, name, sent, False)
        if address.path is not None and not server_name:
            raise ValueError("TLS through a unix socket needs a server_name, whom the certificate must name")
        ca = ca or os.environ.get("BERTH_TLS_CA") or None
        if not cert and not key:
            cert, key = os.environ.get("BERTH_TLS_CERT") or None, os.environ.get("BERTH_TLS_KEY") or None
        if key and not cert:
            raise ValueError("a key without its certificate: name that too, with cert or BERTH_TLS_CERT")
        return Security(_context(ca, cert, key), name, sent, bool(cert))


def _context(ca: Optional[File], cert: Optional[File], key: Optional[File]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise _unusable("the authorities", ca, error) from error
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    if cert:
        try:
            context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            files = f"{os.fspath(cert)} and {os.fspath(key)}" if key else os.fspath(cert)
            raise _unusable("the client's certificate and key", files, error) from error
    return context


def _unusable(what: str, file: Optional[File], error: Exception) -> ValueError:
    why = "they do not belong together" if "KEY_VALUES_MISMATCH" in str(error) else str(error)
    return ValueError(f"{what} in {file}, in PEM format, cannot be used: {why}")


def _token(token: Optional[str]) -> Optional[str]:
    origin = "token"
    if token is None and os.environ.get("BERTH_TOKEN"):
        token, origin = os.environ["BERTH_TOKEN"], "BERTH_TOKEN"
    if token is None and os.environ.get("BERTH_TOKEN_FILE"):
        origin = f"the file {os.environ['BERTH_TOKEN_FILE']} of BERTH_TOKEN_FILE"
        try:
            with open(os.environ["BERTH_TOKEN_FILE"], encoding="utf-8") as file:
                token = file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{origin} cannot be read: {error}") from error
        if not token:
            raise ValueError(f"{origin} is empty")
    if not token:
        return None
    if not isinstance(token, str):
        raise TypeError(f"token must be a str, not {type(token).__name__}")
    if not all("!" <= character <= "~" for character in token):
        raise ValueError(f"{origin} is no token: it has characters other than ASCII's visible ones")
    return token


def distrust(error: BaseException, security: Security) -> Optional[str]:
    """What is wrong with the TLS of a server, and what would be right; None where that is not what is wrong. None of it
    gets better by being tried again."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or str(error)
        if error.verify_code in (9, 10):  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
            return f"the time of its certificate is over or has not begun ({why}): exchange it, or set this machine's clock"
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return f'its certificate is not for "{security.server_name}": connect to a name that it has, or say server_name'
        return (
            f"its certificate is not trusted ({why}): name the file of its authority as ca or in BERTH_TLS_CA"
        )
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS: leave tls:// out, or give the server a certificate"
    if "UNSUPPORTED_PROTOCOL" in reason or "PROTOCOL_VERSION" in reason:
        return "it speaks no TLS that is safe: 1.2 and newer are"
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "HANDSHAKE_FAILURE" in reason):
        if security.is_named:
            return f"it does not accept this client's certificate ({reason.lower().replace('_', ' ')})"
        return (
            f"it wants a certificate of this client ({reason.lower().replace('_', ' ')}): "
            "name one as cert and key, or in BERTH_TLS_CERT and BERTH_TLS_KEY"
        )
    return None
