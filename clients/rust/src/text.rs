// SPDX-License-Identifier: Apache-2.0

//! Output as text, in whole characters.

use std::collections::VecDeque;

use crate::v1::execute_event::Event;
use crate::v1::OutputStream;

/// A piece of what a program wrote, in whole characters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    pub stream: OutputStream,
    pub text: String,
    /// Bytes that were no longer held, and are missing behind this text.
    pub dropped: u64,
}

/// Holds back the beginning of a character, at most 3 bytes of each stream, until the rest has come. What is not UTF-8
/// becomes U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct TextDecoder {
    held: [Vec<u8>; 2],
    ready: VecDeque<Text>,
}

impl TextDecoder {
    pub(crate) fn pop(&mut self) -> Option<Text> {
        self.ready.pop_front()
    }

    pub(crate) fn push(&mut self, event: &Event) {
        match event {
            Event::Output(output) => {
                let stream = output.stream();
                let mut bytes = std::mem::take(&mut self.held[stream as usize]);
                bytes.extend_from_slice(&output.data);
                self.held[stream as usize] = bytes.split_off(bytes.len() - unfinished(&bytes));
                self.add(stream, &bytes, 0);
            }
            // What is behind a gap is not the rest of a character before it.
            Event::Dropped(dropped) if dropped.stream() == OutputStream::Events => {}
            Event::Dropped(dropped) => self.flush(dropped.stream(), dropped.bytes),
            Event::Ended(_) => {
                self.flush(OutputStream::Stdout, 0);
                self.flush(OutputStream::Stderr, 0);
            }
            Event::Started(_) | Event::Display(_) | Event::Failure(_) | Event::Prompt(_) | Event::OutputEnded(_) => {}
        }
    }

    fn flush(&mut self, stream: OutputStream, dropped: u64) {
        let rest = std::mem::take(&mut self.held[stream as usize]);
        self.add(stream, &rest, dropped);
    }

    fn add(&mut self, stream: OutputStream, bytes: &[u8], dropped: u64) {
        if !bytes.is_empty() || dropped > 0 {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.ready.push_back(Text { stream, text, dropped });
        }
    }
}

/// How many bytes at the end may be the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    for at in from..bytes.len() {
        if matches!(std::str::from_utf8(&bytes[at..]), Err(error) if error.valid_up_to() == 0 && error.error_len().is_none())
        {
            return bytes.len() - at;
        }
    }
    0
}
