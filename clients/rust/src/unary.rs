// SPDX-License-Identifier: Apache-2.0

//! Calls that have one answer, as futures.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::connection::{Connection, Receiver};
use crate::{Error, Result};

/// All that came of a call: the messages of a stream, and the payload of its answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub messages: Vec<Bytes>,
    pub payload: Bytes,
}

/// What is done with an answer that came after its caller gave up.
pub(crate) type Late = Box<dyn Fn(&Connection, Bytes) + Send + Sync>;

pub(crate) struct Unary {
    state: Mutex<State>,
    late: Option<(Late, Weak<Connection>)>,
}

#[derive(Default)]
struct State {
    messages: Vec<Bytes>,
    result: Option<Result<Bytes>>,
    waker: Option<Waker>,
    /// The caller has the result.
    taken: bool,
    /// Nobody waits any more.
    given_up: bool,
}

impl Unary {
    pub(crate) fn new(late: Option<(Late, Weak<Connection>)>) -> Arc<Unary> {
        Arc::new(Unary { state: Mutex::default(), late })
    }

    fn handle_late(&self, result: Result<Bytes>) {
        if let (Ok(payload), Some((late, connection))) = (result, &self.late) {
            if let Some(connection) = connection.upgrade() {
                late(&connection, payload);
            }
        }
    }
}

impl Receiver for Unary {
    fn message(&self, data: Bytes) {
        let mut state = self.state.lock().unwrap();
        if !state.given_up {
            state.messages.push(data);
        }
    }

    fn end(&self, result: Result<Bytes>) {
        let mut state = self.state.lock().unwrap();
        if state.given_up || state.result.is_some() {
            drop(state);
            return self.handle_late(result);
        }
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn expire(&self) -> bool {
        self.end(Err(Error::DeadlineExceeded("no answer within the call's time".into())));
        self.late.is_some()
    }
}

/// Ends when the call does; dropped before, it is given up.
pub(crate) struct UnaryFuture {
    pub call: Arc<Unary>,
    pub connection: Arc<Connection>,
    pub id: u32,
}

impl Future for UnaryFuture {
    type Output = Result<Answer>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Answer>> {
        let mut state = self.call.state.lock().unwrap();
        // Taken by a copy, so that an answer that comes after an expiry is known to be late.
        match state.result.clone() {
            Some(result) => {
                let messages = std::mem::take(&mut state.messages);
                state.taken = true;
                Poll::Ready(result.map(|payload| Answer { messages, payload }))
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for UnaryFuture {
    fn drop(&mut self) {
        let mut state = self.call.state.lock().unwrap();
        if state.taken {
            return;
        }
        state.given_up = true;
        let result = state.result.take();
        drop(state);
        match result {
            Some(result) => self.call.handle_late(result),
            None if self.call.late.is_none() => self.connection.forget(self.id),
            None => {}
        }
    }
}
