// SPDX-License-Identifier: Apache-2.0

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use prost::Message;

use super::{refuse_open_stdin, Client, Execution, Lease};
use crate::command::ContextOptions;
use crate::connection::Connection;
use crate::unary::Late;
use crate::v1::{
    CloseContextRequest, CloseContextResponse, CompleteRequest, CompleteResponse, ContextInfo, ForkContextRequest,
    ForkContextResponse, InspectRequest, InspectResponse, ListContextsRequest, ListContextsResponse,
    OpenContextResponse,
};
use crate::{channel, frame, Output, Piece, Result};

impl Lease {
    /// Starts an interpreter, `"python"`, `"bash"`, `"sh"` or `"node"`, and returns when it takes code.
    ///
    /// # Errors
    /// `FailedPrecondition` (`ErrorReason::ContextStartFailed`) when it can't be started in this container.
    pub async fn context(&self, language: impl Into<String>) -> Result<Context> {
        self.context_with(&ContextOptions::new(language)).await
    }

    /// The same, with an environment, a directory or a user of its own.
    pub async fn context_with(&self, options: &ContextOptions) -> Result<Context> {
        let mut request = options.request.clone();
        request.lease = self.token().into();
        let OpenContextResponse { context, version, .. } =
            make(&self.client, "OpenContext", &request, self.token(), |made: OpenContextResponse| made.context).await?;
        Ok(Context::new(self.client.clone(), self.token(), context, &request.language, version))
    }

    /// One that was opened before, perhaps by another client, from its [`Context::id`]. Makes no call, and does not close
    /// it when dropped.
    pub fn existing_context(&self, id: impl Into<String>) -> Context {
        Context::existing(self.client.clone(), self.token(), id.into())
    }

    /// Those that are open, the oldest first.
    pub async fn contexts(&self) -> Result<Vec<ContextInfo>> {
        let request = ListContextsRequest { lease: self.token().into() };
        let response: ListContextsResponse =
            self.client.channel.call("ListContexts", &request, self.client.call_timeout()).await?;
        Ok(response.contexts)
    }
}

/// A call that makes a context, which is closed if nobody waits for it any more when it comes.
async fn make<R: Message + Default + 'static>(
    client: &Client,
    method: &'static str,
    request: &impl Message,
    lease: &str,
    id: fn(R) -> String,
) -> Result<R> {
    let lease = lease.to_owned();
    let late: Late = Box::new(move |connection: &Connection, payload: Bytes| {
        if let Ok(made) = channel::decode(payload) {
            let close = CloseContextRequest { lease: lease.clone(), context: id(made) };
            channel::tell(connection, "CloseContext", &close);
        }
    });
    // The server has a limit of its own.
    channel::decode(client.channel.start(frame::UNARY, method, request, None, Some(late)).await?.payload)
}

/// An interpreter in a lease: runs pieces of code, one at a time, each with what those before it have left.
///
/// It ends when it is closed or dropped, by what a piece does (`Ended::context_lost`), or with its lease, which it does not
/// hold. One that was taken up by its id is not closed when it is dropped.
#[derive(Debug)]
pub struct Context {
    client: Client,
    lease: String,
    id: String,
    language: String,
    version: String,
    is_mine: AtomicBool,
}

impl Context {
    pub(super) fn new(client: Client, lease: &str, id: String, language: &str, version: String) -> Context {
        let is_mine = AtomicBool::new(true);
        Context { client, lease: lease.into(), id, language: language.into(), version, is_mine }
    }

    /// One that somebody else has opened.
    pub(super) fn existing(client: Client, lease: &str, id: String) -> Context {
        let context = Context::new(client, lease, id, "", String::new());
        context.keep();
        context
    }

    /// For [`Lease::existing_context`](super::Lease::existing_context), on any connection.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `"python"` …; empty of one that was taken up.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Of the interpreter; empty where it does not tell, and of one that was taken up.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Starts a piece of code. Beside its output its events are `Display`, `Failure` and `Prompt`.
    pub async fn execute(&self, piece: impl Into<Piece>) -> Result<Execution> {
        let Piece(mut command) = piece.into();
        command.request.context = self.id.clone();
        self.client.execute_in(&self.lease, &command).await
    }

    /// Runs a piece of code: what it wrote and showed, whether it failed, and how it ended.
    pub async fn run(&self, piece: impl Into<Piece>) -> Result<Output> {
        let piece = piece.into();
        refuse_open_stdin(&piece.0)?;
        self.execute(piece).await?.collect().await
    }

    /// What could stand at a place in code, which is not run. `cursor`: in bytes of UTF-8; `None` is its end.
    pub async fn complete(&self, code: &str, cursor: impl Into<Option<usize>>) -> Result<CompleteResponse> {
        let cursor = cursor.into().unwrap_or(code.len()) as u64;
        let (lease, context) = (self.lease.clone(), self.id.clone());
        let request = CompleteRequest { lease, context, code: code.into(), cursor };
        self.client.channel.call("Complete", &request, self.client.call_timeout()).await
    }

    /// What is known about the name at a place in code. `detail`: the source too, where there is one.
    pub async fn inspect(&self, code: &str, cursor: impl Into<Option<usize>>, detail: bool) -> Result<InspectResponse> {
        let cursor = cursor.into().unwrap_or(code.len()) as u64;
        let (lease, context) = (self.lease.clone(), self.id.clone());
        let request = InspectRequest { lease, context, code: code.into(), cursor, detail };
        self.client.channel.call("Inspect", &request, self.client.call_timeout()).await
    }

    /// Copies it with all that it holds, in milliseconds: what a piece does in one, the other does not see. Given up, a copy
    /// that comes of it all the same is closed.
    ///
    /// # Errors
    /// `FailedPrecondition` while a piece runs in it (`ErrorReason::ContextBusy`), and while threads do
    /// (`ErrorReason::ContextStartFailed`, with their names); `Unimplemented`: only Python can be copied.
    pub async fn fork(&self) -> Result<Context> {
        let request = ForkContextRequest { lease: self.lease.clone(), context: self.id.clone() };
        let ForkContextResponse { context, version } =
            make(&self.client, "ForkContext", &request, &self.lease, |made: ForkContextResponse| made.context).await?;
        Ok(Context::new(self.client.clone(), &self.lease, context, &self.language, version))
    }

    /// Ends it, with all that it started.
    ///
    /// # Errors
    /// `NotFound` when it has ended.
    pub async fn close(&self) -> Result<()> {
        let timeout = self.client.call_timeout();
        let CloseContextResponse {} = self.client.channel.call("CloseContext", &self.close_request(), timeout).await?;
        self.keep();
        Ok(())
    }

    /// It goes on when it is dropped.
    pub fn keep(&self) {
        self.is_mine.store(false, Ordering::Relaxed);
    }

    fn close_request(&self) -> CloseContextRequest {
        CloseContextRequest { lease: self.lease.clone(), context: self.id.clone() }
    }

    /// The close of one that is dropped: makes no connection for it.
    pub(crate) async fn close_open(&self) {
        if self.client.channel.is_connected() {
            drop(self.close().await);
        }
    }

    /// It is to be closed when it is dropped, and has not been; not any more.
    pub(crate) fn disown(&self) -> bool {
        self.is_mine.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.disown() {
            self.client.channel.tell_open("CloseContext", &self.close_request());
        }
    }
}
