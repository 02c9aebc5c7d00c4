# SPDX-License-Identifier: Apache-2.0
"""Requests about files. Raises ``TypeError`` or ``ValueError`` for arguments that can't be right."""

from __future__ import annotations

from typing import Optional

from ._requests import path_fields
from ._values import Word, flag, integer
from .v1 import pool_pb2

_MOST_MODE = 0o7777


def write_file(lease: str, path: Word, mode: int, create_parents: bool) -> pool_pb2.WriteFileRequest:
    return pool_pb2.WriteFileRequest(
        lease=lease,
        mode=integer(mode, "mode", _MOST_MODE),
        create_parents=flag(create_parents, "create_parents"),
        **path_fields("path", path),
    )


def read_file(
    lease: str, path: Word, offset: int, length: Optional[int], window: int
) -> pool_pb2.ReadFileRequest:
    return pool_pb2.ReadFileRequest(
        lease=lease,
        offset=integer(offset, "offset"),
        length=integer(length or 0, "length"),
        window_bytes=window,
        **path_fields("path", path),
    )


def list_directory(lease: str, path: Word) -> pool_pb2.ListDirectoryRequest:
    return pool_pb2.ListDirectoryRequest(lease=lease, **path_fields("path", path))


def stat(lease: str, path: Word, follow: bool) -> pool_pb2.StatRequest:
    return pool_pb2.StatRequest(lease=lease, follow=flag(follow, "follow"), **path_fields("path", path))


def make_directory(lease: str, path: Word, mode: int, parents: bool) -> pool_pb2.MakeDirectoryRequest:
    return pool_pb2.MakeDirectoryRequest(
        lease=lease, mode=integer(mode, "mode", _MOST_MODE), parents=flag(parents, "parents"), **path_fields("path", path)
    )


def rename(lease: str, path: Word, to: Word, no_replace: bool) -> pool_pb2.RenameFileRequest:
    # "from" is a word of Python's.
    fields = {**path_fields("from", path), **path_fields("to", to)}
    return pool_pb2.RenameFileRequest(lease=lease, no_replace=flag(no_replace, "no_replace"), **fields)


def change_mode(lease: str, path: Word, mode: int) -> pool_pb2.ChangeModeRequest:
    return pool_pb2.ChangeModeRequest(
        lease=lease, mode=integer(mode, "mode", _MOST_MODE), **path_fields("path", path)
    )


def remove(lease: str, path: Word, recursive: bool) -> pool_pb2.RemoveFileRequest:
    return pool_pb2.RemoveFileRequest(
        lease=lease, recursive=flag(recursive, "recursive"), **path_fields("path", path)
    )


def write_archive(lease: str, path: Word) -> pool_pb2.WriteArchiveRequest:
    return pool_pb2.WriteArchiveRequest(lease=lease, **path_fields("path", path))


def read_archive(lease: str, path: Word, window: int) -> pool_pb2.ReadArchiveRequest:
    return pool_pb2.ReadArchiveRequest(lease=lease, window_bytes=window, **path_fields("path", path))
