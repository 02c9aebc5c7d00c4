// SPDX-License-Identifier: Apache-2.0

//! What Linux knows as bytes: arguments, environment, paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use bytes::Bytes;

/// The field of text, and, where it is not UTF-8, that of bytes beside it.
pub(crate) fn fields(word: impl AsRef<OsStr>) -> (String, Bytes) {
    match word.as_ref().to_str() {
        Some(text) => (text.into(), Bytes::new()),
        None => (String::new(), bytes(word)),
    }
}

pub(crate) fn bytes(word: impl AsRef<OsStr>) -> Bytes {
    Bytes::copy_from_slice(word.as_ref().as_bytes())
}
