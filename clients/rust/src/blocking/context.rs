// SPDX-License-Identifier: Apache-2.0

use std::time::Instant;

use super::{wait, wait_until, Execution, Lease, RELEASE};
use crate::aio;
use crate::command::ContextOptions;
use crate::v1::{CompleteResponse, ContextInfo, InspectResponse};
use crate::{Output, Piece, Result};

impl Lease {
    /// Starts an interpreter, `"python"`, `"bash"`, `"sh"` or `"node"`, and returns when it takes code.
    ///
    /// # Errors
    /// `FailedPrecondition` (`ErrorReason::ContextStartFailed`) when it can't be started in this container.
    pub fn context(&self, language: impl Into<String>) -> Result<Context> {
        wait(self.0.context(language)).map(Context)
    }

    /// The same, with an environment, a directory or a user of its own.
    pub fn context_with(&self, options: &ContextOptions) -> Result<Context> {
        wait(self.0.context_with(options)).map(Context)
    }

    /// One that was opened before, perhaps by another client, from its [`Context::id`]. Makes no call, and does not close
    /// it when dropped.
    pub fn existing_context(&self, id: impl Into<String>) -> Context {
        Context(self.0.existing_context(id))
    }

    /// Those that are open, the oldest first.
    pub fn contexts(&self) -> Result<Vec<ContextInfo>> {
        wait(self.0.contexts())
    }
}

/// An interpreter in a lease: runs pieces of code, one at a time, each with what those before it have left.
///
/// It ends when it is closed or dropped, by what a piece does (`Ended::context_lost`), or with its lease, which it does not
/// hold. One that was taken up by its id is not closed when it is dropped.
#[derive(Debug)]
pub struct Context(aio::Context);

impl Context {
    /// For [`Lease::existing_context`], on any connection.
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// `"python"` …; empty of one that was taken up.
    pub fn language(&self) -> &str {
        self.0.language()
    }

    /// Of the interpreter; empty where it does not tell, and of one that was taken up.
    pub fn version(&self) -> &str {
        self.0.version()
    }

    /// Starts a piece of code. Beside its output its events are `Display`, `Failure` and `Prompt`.
    pub fn execute(&self, piece: impl Into<Piece>) -> Result<Execution> {
        wait(self.0.execute(piece)).map(Execution)
    }

    /// Runs a piece of code: what it wrote and showed, whether it failed, and how it ended.
    pub fn run(&self, piece: impl Into<Piece>) -> Result<Output> {
        wait(self.0.run(piece))
    }

    /// What could stand at a place in code, which is not run. `cursor`: in bytes of UTF-8; `None` is its end.
    pub fn complete(&self, code: &str, cursor: impl Into<Option<usize>>) -> Result<CompleteResponse> {
        wait(self.0.complete(code, cursor))
    }

    /// What is known about the name at a place in code. `detail`: the source too, where there is one.
    pub fn inspect(&self, code: &str, cursor: impl Into<Option<usize>>, detail: bool) -> Result<InspectResponse> {
        wait(self.0.inspect(code, cursor, detail))
    }

    /// Copies it with all that it holds, in milliseconds: what a piece does in one, the other does not see.
    ///
    /// # Errors
    /// `FailedPrecondition` while a piece runs in it (`ErrorReason::ContextBusy`), and while threads do
    /// (`ErrorReason::ContextStartFailed`, with their names); `Unimplemented`: only Python can be copied.
    pub fn fork(&self) -> Result<Context> {
        wait(self.0.fork()).map(Context)
    }

    /// Ends it, with all that it started.
    ///
    /// # Errors
    /// `NotFound` when it has ended.
    pub fn close(&self) -> Result<()> {
        wait(self.0.close())
    }

    /// It goes on when it is dropped.
    pub fn keep(&self) {
        self.0.keep();
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.0.disown() {
            wait_until(Some(Instant::now() + RELEASE), self.0.close_open());
        }
    }
}
