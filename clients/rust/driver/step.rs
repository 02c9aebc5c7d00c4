// SPDX-License-Identifier: Apache-2.0

//! A line of a scenario: a verb and its words. Remembers which were asked for, to tell those that were not.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::bytes;

pub struct Step {
    pub verb: String,
    words: Vec<(String, Vec<u8>)>,
    used: RefCell<HashSet<String>>,
}

impl Step {
    pub fn parse(line: &str) -> Step {
        let mut parts = line.split(' ');
        let verb = parts.next().unwrap_or_default().to_owned();
        let words = parts
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| (key.to_owned(), bytes::decode(value)))
            .collect();
        let used = ["client", "within_ms", "reason"].into_iter().map(String::from).collect();
        Step { verb, words, used: RefCell::new(used) }
    }

    pub fn all(&self, key: &str) -> Vec<Vec<u8>> {
        self.used.borrow_mut().insert(key.into());
        self.words.iter().filter(|(name, _)| name == key).map(|(_, value)| value.clone()).collect()
    }

    pub fn bytes(&self, key: &str) -> Vec<u8> {
        self.all(key).into_iter().next().unwrap_or_default()
    }

    pub fn texts(&self, key: &str) -> Vec<String> {
        self.all(key).into_iter().map(|value| String::from_utf8(value).expect("text")).collect()
    }

    pub fn find(&self, key: &str) -> Option<String> {
        self.texts(key).into_iter().next()
    }

    pub fn text_or(&self, key: &str, otherwise: &str) -> String {
        self.find(key).unwrap_or_else(|| otherwise.into())
    }

    pub fn text(&self, key: &str) -> String {
        self.text_or(key, "")
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.find(key).map(|value| value.parse().expect("a number"))
    }

    pub fn has(&self, key: &str) -> bool {
        self.number(key) == Some(1)
    }

    /// The value, as often as the step says.
    pub fn repeated(&self, key: &str, times: &str) -> Vec<u8> {
        let piece = self.all(key).into_iter().next().unwrap_or_default();
        piece.repeat(self.number(times).unwrap_or(1) as usize)
    }

    /// What an error of this step is about.
    pub fn subject(&self) -> String {
        let key = match self.verb.as_str() {
            "acquire" | "start" | "attach" | "read-archive" | "open-context" | "fork-context" | "dial" => "as",
            "renew" | "release" | "executions" | "contexts" => "lease",
            "close-context" | "complete" | "inspect" => "context",
            "read" | "finish" | "text" | "events" => return self.text("exec"),
            "input" | "signal" | "cancel" | "resize" | "detach" => "exec",
            "write-file" | "read-file" | "list" | "remove" | "stat" | "make-directory" | "rename" | "change-mode" => {
                return format!("{} {}", self.verb, bytes::encode(&self.bytes("path")))
            }
            "write-archive" => "archive",
            _ => return self.verb.clone(),
        };
        format!("{} {}", self.verb, bytes::encode(self.text(key).as_bytes()))
    }

    /// A word that nothing has asked for.
    pub fn unused(&self) -> Option<&str> {
        let used = self.used.borrow();
        self.words.iter().map(|(key, _)| key.as_str()).find(|key| !used.contains(*key))
    }
}
