// SPDX-License-Identifier: Apache-2.0

//! What a piece of code shows beside its output.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::v1::{Display, Failure, InspectResponse, MimeData};

const PLAIN: &str = "text/plain";

fn form<'a>(forms: &'a [MimeData], mime: &str) -> Option<&'a Bytes> {
    forms.iter().find(|form| form.mime == mime).map(|form| &form.data)
}

impl Display {
    /// One of its forms, by its MIME type: `"image/png"` …
    pub fn form(&self, mime: &str) -> Option<&Bytes> {
        form(&self.data, mime)
    }

    /// Its plain text, if it has any.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.form(PLAIN).map(|text| String::from_utf8_lossy(text))
    }
}

impl InspectResponse {
    /// One of its forms, by its MIME type.
    pub fn form(&self, mime: &str) -> Option<&Bytes> {
        form(&self.data, mime)
    }

    /// What is known as plain text, if anything is.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.form(PLAIN).map(|text| String::from_utf8_lossy(text))
    }
}

/// `ValueError: the message`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}
