// SPDX-License-Identifier: Apache-2.0

//! Ends calls at their deadlines, on a thread that exists once a call has one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::ttrpc;

#[derive(Default)]
pub(crate) struct Timer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    entries: BinaryHeap<Reverse<Entry>>,
    /// At so many entries, those whose calls have ended are removed.
    prune_at: usize,
    is_running: bool,
    is_closed: bool,
}

struct Entry {
    when: Instant,
    connection: Weak<Connection>,
    what: What,
}

enum What {
    /// A call's time is over.
    Expire(u32),
    /// It is time to see whether the server has said anything.
    Look(Duration, Arc<ttrpc::Request>),
}

impl Entry {
    fn is_open(&self) -> bool {
        self.connection.upgrade().map_or(false, |connection| match self.what {
            What::Expire(id) => connection.has(id),
            What::Look(..) => connection.is_open(),
        })
    }
}

impl Entry {
    /// Does it. What is to be done again, and when.
    fn act(self) -> Option<Entry> {
        let connection = self.connection.upgrade()?;
        match &self.what {
            What::Expire(id) => {
                connection.expire(*id);
                None
            }
            What::Look(keepalive, hello) => {
                let when = Instant::now() + *keepalive / 2;
                connection.look(*keepalive, hello).then(|| Entry { when, ..self })
            }
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.when == other.when
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        self.when.cmp(&other.when)
    }
}

impl Timer {
    pub(crate) fn add(&self, when: Instant, connection: &Arc<Connection>, id: u32) {
        self.push(when, connection, What::Expire(id));
    }

    /// Looks at it again and again, for as long as it is open.
    pub(crate) fn watch(&self, connection: &Arc<Connection>, keepalive: Duration, hello: ttrpc::Request) {
        self.push(Instant::now() + keepalive / 2, connection, What::Look(keepalive, Arc::new(hello)));
    }

    fn push(&self, when: Instant, connection: &Arc<Connection>, what: What) {
        let mut state = self.shared.state.lock().unwrap();
        if state.entries.len() >= state.prune_at.max(1024) {
            let kept: Vec<_> = state.entries.drain().filter(|entry| entry.0.is_open()).collect();
            state.prune_at = 2 * kept.len();
            state.entries = kept.into();
        }
        let is_first = state.entries.peek().map_or(true, |first| when < first.0.when);
        state.entries.push(Reverse(Entry { when, connection: Arc::downgrade(connection), what }));
        if !state.is_running && !state.is_closed {
            let shared = self.shared.clone();
            // Without a thread the server still keeps to the deadline.
            let thread = thread::Builder::new().name("berth-timer".into()).spawn(move || shared.run());
            state.is_running = thread.is_ok();
        } else if is_first {
            self.shared.changed.notify_all();
        }
    }

    pub(crate) fn close(&self) {
        self.shared.state.lock().unwrap().is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock().unwrap();
        while !state.is_closed {
            let now = Instant::now();
            match state.entries.peek().map(|first| first.0.when) {
                None => state = self.changed.wait(state).unwrap(),
                Some(when) if when > now => state = self.changed.wait_timeout(state, when - now).unwrap().0,
                Some(_) => {
                    let due = state.entries.pop();
                    drop(state);
                    let again = due.and_then(|due| due.0.act());
                    state = self.state.lock().unwrap();
                    state.entries.extend(again.map(Reverse));
                }
            }
        }
    }
}
