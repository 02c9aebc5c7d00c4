#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HelloRequest {
    /// the client's name for the server's log: "name/version"
    #[prost(string, tag="1")]
    pub client: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HelloResponse {
    /// "berth/0.1.0"
    #[prost(string, tag="1")]
    pub server: ::prost::alloc::string::String,
    /// the names of its pools, the default pool first
    #[prost(string, repeated, tag="2")]
    pub pools: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AcquireRequest {
    /// empty: the default pool
    #[prost(string, tag="1")]
    pub pool: ::prost::alloc::string::String,
    /// the longest wait if no member is warm; 0: the server's default (30 s)
    #[prost(uint32, tag="2")]
    pub wait_ms: u32,
    /// the lease does not end with its connection
    #[prost(bool, tag="3")]
    pub detached: bool,
    /// time to live without use; 0, or over the server's limit: that limit (5 min)
    #[prost(uint32, tag="4")]
    pub ttl_ms: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AcquireResponse {
    /// the lease's token; keep it secret: everyone who knows it can use the lease
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// the member's name, for logs
    #[prost(string, tag="2")]
    pub member: ::prost::alloc::string::String,
    /// time to live without use
    #[prost(uint32, tag="3")]
    pub ttl_ms: u32,
    /// the member was idle; false: the call waited for it
    #[prost(bool, tag="4")]
    pub warm: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExecuteRequest {
    /// Where: in a lease; or, if lease is empty, in a member that is acquired from the pool for this execution and released
    /// after it.
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// without a lease: the pool's name; empty: the default pool
    #[prost(string, tag="2")]
    pub pool: ::prost::alloc::string::String,
    /// without a lease: as in AcquireRequest
    #[prost(uint32, tag="3")]
    pub wait_ms: u32,
    /// What: argv, shell or code.
    ///
    /// the program and its arguments; argv\[0\] without a slash is looked up in PATH
    #[prost(string, repeated, tag="4")]
    pub argv: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// instead of argv: a line for the container's /bin/sh
    #[prost(string, tag="21")]
    pub shell: ::prost::alloc::string::String,
    /// instead of argv: source text in `language`, at most 128 KiB less 1 byte; in a context at
    #[prost(string, tag="22")]
    pub code: ::prost::alloc::string::String,
    /// most 1 MiB
    ///
    /// with code, without a context: a language of the pool's configuration; "python" and "sh" always
    #[prost(string, tag="23")]
    pub language: ::prost::alloc::string::String,
    /// exist
    ///
    /// added to the pool's variables and to PATH, HOME, LANG and TERM, which always have values
    #[prost(btree_map="string, string", tag="5")]
    pub env: ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    /// working directory, absolute; empty: the pool's (/workspace)
    #[prost(string, tag="6")]
    pub cwd: ::prost::alloc::string::String,
    /// instead of argv: arguments that are not UTF-8
    #[prost(bytes="bytes", repeated, tag="27")]
    pub argv_raw: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    /// "NAME=value" each, added after env: values that are not UTF-8
    #[prost(bytes="bytes", repeated, tag="24")]
    pub env_raw: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    /// instead of cwd: a path that is not UTF-8
    #[prost(bytes="bytes", tag="25")]
    pub cwd_raw: ::prost::bytes::Bytes,
    /// with lease and code: the context that runs the code. Language, environment, working
    #[prost(string, tag="28")]
    pub context: ::prost::alloc::string::String,
    /// directory, user and terminal are those of the context and must not be set here
    ///
    /// user id of the program; 0: the member's own. Others must be allowed by the pool, and root
    #[prost(uint32, tag="7")]
    pub uid: u32,
    // never is

    /// Standard input. Without keep_stdin_open and terminal, end of file follows `stdin`.
    ///
    /// its first bytes
    #[prost(bytes="bytes", tag="8")]
    pub stdin: ::prost::bytes::Bytes,
    /// Input sends more
    #[prost(bool, tag="11")]
    pub keep_stdin_open: bool,
    /// runs the program on a terminal: all output is STDOUT, and Input is what is typed
    #[prost(message, optional, tag="12")]
    pub terminal: ::core::option::Option<Terminal>,
    /// Limits of time. At a limit the program gets TERM, and after the grace period everything it started gets KILL.
    ///
    /// longest run; 0: the server's default (60 s)
    #[prost(uint32, tag="9")]
    pub timeout_ms: u32,
    /// between TERM and KILL; 0: the server's default (2 s)
    #[prost(uint32, tag="10")]
    pub grace_ms: u32,
    /// longest time without output; 0: no limit
    #[prost(uint32, tag="16")]
    pub idle_timeout_ms: u32,
    /// CPU time of everything it started; 0: no limit
    #[prost(uint32, tag="17")]
    pub cpu_time_ms: u32,
    /// what the program leaves running continues until the lease ends; else it is killed
    #[prost(bool, tag="20")]
    pub keep_background: bool,
    /// Output.
    ///
    /// maximum of output sent and not acknowledged, both streams together: 64 KiB to 1 MiB. At
    #[prost(uint64, tag="13")]
    pub window_bytes: u64,
    /// this maximum the program waits for the reader; other calls on the connection do not.
    /// No more than 60 events with output may be unacknowledged either, however small they are:
    /// so acknowledge after a number of events (30, for example) as well as after a number of
    /// bytes. 0: no window: the connection's own flow control applies, and a client that does
    /// not read blocks all executions of its connection
    ///
    /// maximum of each stream; 0: no limit
    #[prost(uint64, tag="14")]
    pub max_output_bytes: u64,
    /// what happens at max_output_bytes
    #[prost(enumeration="OutputPolicy", tag="15")]
    pub output_policy: i32,
    /// stdout and stderr share one pipe, so their order is kept: all output is STDOUT
    #[prost(bool, tag="26")]
    pub merge_output: bool,
    /// Without a watcher.
    ///
    /// when its last watcher is gone, the execution continues for this time and Attach can resume
    #[prost(uint32, tag="18")]
    pub resumable_ms: u32,
    /// it; after its end, its result and last output are kept for this time. 0: it is
    /// cancelled, and not kept
    ///
    /// with resumable_ms: what happens to output in that time
    #[prost(enumeration="Unwatched", tag="19")]
    pub unwatched: i32,
}
/// A terminal. Sizes are in characters; 0 means 24 rows and 80 columns.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Terminal {
    #[prost(uint32, tag="1")]
    pub rows: u32,
    #[prost(uint32, tag="2")]
    pub columns: u32,
    /// input is not echoed, from the first byte on
    #[prost(bool, tag="3")]
    pub no_echo: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExecuteEvent {
    #[prost(oneof="execute_event::Event", tags="1, 2, 3, 4, 5, 6, 7, 8")]
    pub event: ::core::option::Option<execute_event::Event>,
}
/// Nested message and enum types in `ExecuteEvent`.
pub mod execute_event {
    #[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Event {
        #[prost(message, tag="1")]
        Started(super::Started),
        #[prost(message, tag="2")]
        Output(super::Output),
        #[prost(message, tag="3")]
        Ended(super::Ended),
        #[prost(message, tag="4")]
        Dropped(super::Dropped),
        #[prost(message, tag="5")]
        Display(super::Display),
        #[prost(message, tag="6")]
        Failure(super::Failure),
        #[prost(message, tag="7")]
        Prompt(super::Prompt),
        #[prost(message, tag="8")]
        OutputEnded(super::OutputEnded),
    }
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Started {
    /// the execution's id, for all calls on it; secret, like a lease
    #[prost(string, tag="1")]
    pub execution: ::prost::alloc::string::String,
    /// the member it runs in, for logs
    #[prost(string, tag="2")]
    pub member: ::prost::alloc::string::String,
    /// this stream's number, for Acknowledge and Detach
    #[prost(uint32, tag="3")]
    pub watcher: u32,
    /// the program was forked from an interpreter that had started before (interpreters)
    #[prost(bool, tag="4")]
    pub warm: bool,
}
/// Bytes of a stream that this watcher does not get, because they were no longer held.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Dropped {
    #[prost(enumeration="OutputStream", tag="1")]
    pub stream: i32,
    /// of the first of these bytes; the next Output of this stream begins at offset + bytes
    #[prost(uint64, tag="2")]
    pub offset: u64,
    #[prost(uint64, tag="3")]
    pub bytes: u64,
}
/// Something that a piece of code displays, in one or more formats. A display is always sent whole, and its size counts
/// against the window. One that does not fit in the rest of the window is sent when less than a quarter of the window is
/// unacknowledged.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Display {
    /// position after this event in the stream of events, for Acknowledge and Attach
    #[prost(uint64, tag="1")]
    pub position: u64,
    /// the same content in each format
    #[prost(message, repeated, tag="2")]
    pub data: ::prost::alloc::vec::Vec<MimeData>,
    /// a later display can refer to it; empty: none
    #[prost(string, tag="3")]
    pub id: ::prost::alloc::string::String,
    /// it replaces the displays with this id
    #[prost(bool, tag="4")]
    pub update: bool,
    /// it is the value of the piece's last expression
    #[prost(bool, tag="5")]
    pub result: bool,
    /// formats that were too large
    #[prost(message, repeated, tag="6")]
    pub left_out: ::prost::alloc::vec::Vec<LeftOut>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct MimeData {
    /// "text/plain", "image/png" …
    #[prost(string, tag="1")]
    pub mime: ::prost::alloc::string::String,
    /// text is UTF-8
    #[prost(bytes="bytes", tag="2")]
    pub data: ::prost::bytes::Bytes,
}
/// A format that was left out of a display because the display would have been larger than the server's max_display.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct LeftOut {
    /// empty: not known
    #[prost(string, tag="1")]
    pub mime: ::prost::alloc::string::String,
    #[prost(uint64, tag="2")]
    pub bytes: u64,
}
/// A piece of code failed.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Failure {
    /// as in Display
    #[prost(uint64, tag="1")]
    pub position: u64,
    /// of the error: "ValueError"
    #[prost(string, tag="2")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag="3")]
    pub message: ::prost::alloc::string::String,
    /// lines to show to people, without line feeds, the innermost call last
    #[prost(string, repeated, tag="4")]
    pub traceback: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
/// A piece of code waits for a line on its standard input. Answer with Input, "\n" included.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Prompt {
    /// as in Display
    #[prost(uint64, tag="1")]
    pub position: u64,
    /// the question
    #[prost(string, tag="2")]
    pub text: ::prost::alloc::string::String,
    /// the input must not be shown
    #[prost(bool, tag="3")]
    pub password: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Output {
    #[prost(enumeration="OutputStream", tag="1")]
    pub stream: i32,
    /// of data's first byte in this stream; there are no gaps except those that Dropped reports
    #[prost(uint64, tag="2")]
    pub offset: u64,
    /// at most 32 KiB (ConnectRequest.max_piece_bytes), never empty
    #[prost(bytes="bytes", tag="3")]
    pub data: ::prost::bytes::Bytes,
}
/// Only for Connect: the other side has ended its direction; the client may still send. Follows the last Output.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct OutputEnded {
    /// STDOUT
    #[prost(enumeration="OutputStream", tag="1")]
    pub stream: i32,
    /// how many bytes were received in all
    #[prost(uint64, tag="2")]
    pub offset: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Ended {
    #[prost(enumeration="EndCause", tag="1")]
    pub cause: i32,
    /// 0 to 255, if it exited
    #[prost(int32, tag="2")]
    pub exit_code: i32,
    /// number of the signal that ended it; else 0
    #[prost(int32, tag="3")]
    pub signal: i32,
    /// the cause in words; empty if there is nothing to add
    #[prost(string, tag="4")]
    pub message: ::prost::alloc::string::String,
    #[prost(enumeration="StartFailure", tag="5")]
    pub start_failure: i32,
    #[prost(message, optional, tag="6")]
    pub usage: ::core::option::Option<Usage>,
    /// all bytes that the program wrote
    #[prost(uint64, tag="7")]
    pub stdout_bytes: u64,
    #[prost(uint64, tag="8")]
    pub stderr_bytes: u64,
    /// of these: not sent, since they were over max_output_bytes or nobody watched any more
    #[prost(uint64, tag="9")]
    pub stdout_truncated: u64,
    #[prost(uint64, tag="10")]
    pub stderr_truncated: u64,
    /// processes of the container that the kernel killed at its memory limit in this time
    #[prost(uint64, tag="11")]
    pub out_of_memory_kills: u64,
    /// only for a piece of code: its context ended too. Then exit_code or signal are the
    #[prost(bool, tag="12")]
    pub context_lost: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Usage {
    /// from fork to the end of the program
    #[prost(uint64, tag="1")]
    pub wall_us: u64,
    /// CPU time in user mode, including children it waited for
    #[prost(uint64, tag="2")]
    pub user_us: u64,
    /// CPU time in the kernel
    #[prost(uint64, tag="3")]
    pub system_us: u64,
    /// the largest resident set of any one of its processes
    #[prost(uint64, tag="4")]
    pub peak_memory_bytes: u64,
}
// In the following requests, `lease` is the lease of the execution; empty for an Execute without a lease.

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AttachRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// from Started
    #[prost(string, tag="2")]
    pub execution: ::prost::alloc::string::String,
    /// where to continue: how much of each stream the caller has
    #[prost(uint64, tag="3")]
    pub stdout_offset: u64,
    #[prost(uint64, tag="4")]
    pub stderr_offset: u64,
    /// instead of offsets: only output from now on
    #[prost(bool, tag="5")]
    pub from_now: bool,
    /// as in ExecuteRequest
    #[prost(uint64, tag="6")]
    pub window_bytes: u64,
    /// an observer never slows the program: if it is too slow, it misses output, which Dropped
    #[prost(bool, tag="7")]
    pub observe: bool,
    /// reports. It does not count as a watcher when the last watcher is gone
    ///
    /// as stdout_offset, for Display, Failure and Prompt: position of the last one
    #[prost(uint64, tag="8")]
    pub events_position: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct DetachRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub execution: ::prost::alloc::string::String,
    /// from this stream's Started
    #[prost(uint32, tag="3")]
    pub watcher: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct DetachResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AcknowledgeRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub execution: ::prost::alloc::string::String,
    /// from this stream's Started
    #[prost(uint32, tag="3")]
    pub watcher: u32,
    /// all bytes before it were consumed; a lower offset than before changes nothing
    #[prost(uint64, tag="4")]
    pub stdout_offset: u64,
    #[prost(uint64, tag="5")]
    pub stderr_offset: u64,
    /// position of the last Display, Failure or Prompt that was consumed
    #[prost(uint64, tag="6")]
    pub events_position: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AcknowledgeResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InputRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub execution: ::prost::alloc::string::String,
    /// of data's first byte in the standard input, where ExecuteRequest.stdin counts too
    #[prost(uint64, tag="3")]
    pub offset: u64,
    /// at most 256 KiB
    #[prost(bytes="bytes", tag="4")]
    pub data: ::prost::bytes::Bytes,
    /// end of file follows; on a terminal, its end-of-file character (Ctrl-D)
    #[prost(bool, tag="5")]
    pub end: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InputResponse {
    /// offset of the next byte that is expected
    #[prost(uint64, tag="1")]
    pub offset: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SignalRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub execution: ::prost::alloc::string::String,
    /// the signal's number, 1 to 64; 9 ends everything the program started
    #[prost(int32, tag="3")]
    pub signal: i32,
    /// instead of the number: "INT", "SIGINT" …
    #[prost(string, tag="4")]
    pub name: ::prost::alloc::string::String,
    /// instead of a signal: ends the execution with TERM, a grace period, and KILL of everything
    #[prost(bool, tag="5")]
    pub cancel: bool,
    /// it started
    ///
    /// with cancel; 0: grace_ms of the execution
    #[prost(uint32, tag="6")]
    pub grace_ms: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SignalResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResizeTerminalRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub execution: ::prost::alloc::string::String,
    #[prost(message, optional, tag="3")]
    pub terminal: ::core::option::Option<Terminal>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResizeTerminalResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListExecutionsRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListExecutionsResponse {
    /// oldest first
    #[prost(message, repeated, tag="1")]
    pub executions: ::prost::alloc::vec::Vec<ExecutionInfo>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExecutionInfo {
    #[prost(string, tag="1")]
    pub execution: ::prost::alloc::string::String,
    /// shortened if it is long
    #[prost(string, repeated, tag="2")]
    pub argv: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// since it was requested
    #[prost(uint64, tag="3")]
    pub age_ms: u64,
    #[prost(uint32, tag="4")]
    pub watchers: u32,
    /// received from it so far
    #[prost(uint64, tag="5")]
    pub stdout_bytes: u64,
    #[prost(uint64, tag="6")]
    pub stderr_bytes: u64,
    /// output from this offset on is still held for Attach
    #[prost(uint64, tag="7")]
    pub stdout_held_from: u64,
    #[prost(uint64, tag="8")]
    pub stderr_held_from: u64,
    #[prost(uint32, tag="9")]
    pub resumable_ms: u32,
    /// absent while it runs
    #[prost(message, optional, tag="10")]
    pub ended: ::core::option::Option<Ended>,
    /// argv, if it is not UTF-8
    #[prost(bytes="bytes", repeated, tag="11")]
    pub argv_raw: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    /// the context it runs in; then argv is the language and the code
    #[prost(string, tag="12")]
    pub context: ::prost::alloc::string::String,
    #[prost(uint64, tag="13")]
    pub events_held_from: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ConnectRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// Where to: path or port.
    ///
    /// absolute path of a unix socket
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="3")]
    pub path_raw: ::prost::bytes::Bytes,
    /// 1 to 65535, of 127.0.0.1, or of ::1 if nothing listens on 127.0.0.1
    #[prost(uint32, tag="4")]
    pub port: u32,
    /// the longest wait until something listens there; 0: no wait
    #[prost(uint32, tag="5")]
    pub wait_ms: u32,
    /// Limits of time. At a limit the connection is closed.
    ///
    /// longest duration; 0: the server's maximum (24 h)
    #[prost(uint32, tag="6")]
    pub timeout_ms: u32,
    /// longest time without bytes in either direction; 0: no limit
    #[prost(uint32, tag="7")]
    pub idle_timeout_ms: u32,
    /// as in ExecuteRequest; here the sender in the container waits for a slow reader
    #[prost(uint64, tag="8")]
    pub window_bytes: u64,
    /// as in ExecuteRequest; without a watcher the other side waits, and nothing is lost
    #[prost(uint32, tag="9")]
    pub resumable_ms: u32,
    /// most bytes of one Output that the client takes, up to 64 KiB; less than 32 KiB counts as that
    #[prost(uint32, tag="10")]
    pub max_piece_bytes: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct OpenContextRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// "python", "bash", "sh" or "node"
    #[prost(string, tag="2")]
    pub language: ::prost::alloc::string::String,
    /// absolute; empty: the pool's (/workspace)
    #[prost(string, tag="3")]
    pub cwd: ::prost::alloc::string::String,
    /// as in ExecuteRequest
    #[prost(btree_map="string, string", tag="4")]
    pub env: ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    /// as in ExecuteRequest
    #[prost(uint32, tag="5")]
    pub uid: u32,
    /// as in ExecuteRequest
    #[prost(bytes="bytes", repeated, tag="6")]
    pub env_raw: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    /// instead of cwd
    #[prost(bytes="bytes", tag="7")]
    pub cwd_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct OpenContextResponse {
    /// its id, for all calls on it
    #[prost(string, tag="1")]
    pub context: ::prost::alloc::string::String,
    /// of the interpreter: "3.11.2"; empty if unknown
    #[prost(string, tag="2")]
    pub version: ::prost::alloc::string::String,
    /// it was forked from an interpreter that had started before (interpreters)
    #[prost(bool, tag="3")]
    pub warm: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CloseContextRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub context: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CloseContextResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ForkContextRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub context: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ForkContextResponse {
    /// the copy's id
    #[prost(string, tag="1")]
    pub context: ::prost::alloc::string::String,
    /// of the interpreter
    #[prost(string, tag="2")]
    pub version: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListContextsRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListContextsResponse {
    /// oldest first
    #[prost(message, repeated, tag="1")]
    pub contexts: ::prost::alloc::vec::Vec<ContextInfo>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ContextInfo {
    #[prost(string, tag="1")]
    pub context: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub language: ::prost::alloc::string::String,
    /// of the interpreter
    #[prost(string, tag="3")]
    pub version: ::prost::alloc::string::String,
    /// since it was requested
    #[prost(uint64, tag="4")]
    pub age_ms: u64,
    /// number of pieces run in it, including the running one
    #[prost(uint64, tag="5")]
    pub pieces: u64,
    /// the piece that is running; empty: none
    #[prost(string, tag="6")]
    pub execution: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CompleteRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub context: ::prost::alloc::string::String,
    /// at most 1 MiB
    #[prost(string, tag="3")]
    pub code: ::prost::alloc::string::String,
    /// position in code, in bytes of UTF-8
    #[prost(uint64, tag="4")]
    pub cursor: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CompleteResponse {
    /// each can replace the text from start to end
    #[prost(string, repeated, tag="1")]
    pub matches: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// in bytes of UTF-8
    #[prost(uint64, tag="2")]
    pub start: u64,
    #[prost(uint64, tag="3")]
    pub end: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InspectRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub context: ::prost::alloc::string::String,
    /// at most 1 MiB
    #[prost(string, tag="3")]
    pub code: ::prost::alloc::string::String,
    /// position in code, in bytes of UTF-8
    #[prost(uint64, tag="4")]
    pub cursor: u64,
    /// with more detail: the source code, if there is any
    #[prost(bool, tag="5")]
    pub detail: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InspectResponse {
    #[prost(bool, tag="1")]
    pub found: bool,
    /// the description, in one or more formats
    #[prost(message, repeated, tag="2")]
    pub data: ::prost::alloc::vec::Vec<MimeData>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FileInfo {
    /// in its directory; in ReadFile: the requested path
    #[prost(string, tag="1")]
    pub name: ::prost::alloc::string::String,
    #[prost(enumeration="FileType", tag="2")]
    pub r#type: i32,
    /// bytes
    #[prost(uint64, tag="3")]
    pub size: u64,
    /// permission bits, 0 to 07777
    #[prost(uint32, tag="4")]
    pub mode: u32,
    /// microseconds since 1970-01-01 UTC
    #[prost(int64, tag="5")]
    pub modified_us: i64,
    #[prost(uint32, tag="6")]
    pub uid: u32,
    #[prost(uint32, tag="7")]
    pub gid: u32,
    /// for a link: its target as stored
    #[prost(bytes="bytes", tag="8")]
    pub link_target: ::prost::bytes::Bytes,
    /// the name, if it is not UTF-8
    #[prost(bytes="bytes", tag="9")]
    pub name_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WriteFileRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// at most 256 KiB
    #[prost(bytes="bytes", tag="3")]
    pub data: ::prost::bytes::Bytes,
    /// permission bits; 0: 0644
    #[prost(uint32, tag="4")]
    pub mode: u32,
    /// makes missing parent directories
    #[prost(bool, tag="5")]
    pub create_parents: bool,
    /// more calls follow
    #[prost(bool, tag="6")]
    pub more: bool,
    /// in all calls after the first: from the first call's answer; then path and mode are ignored
    #[prost(string, tag="7")]
    pub upload: ::prost::alloc::string::String,
    /// of data's first byte in the file; a lost call can be repeated
    #[prost(uint64, tag="8")]
    pub offset: u64,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="9")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WriteFileResponse {
    /// set if more calls follow. An upload without a call for 60 s is discarded
    #[prost(string, tag="1")]
    pub upload: ::prost::alloc::string::String,
    /// offset of the next byte that is expected
    #[prost(uint64, tag="2")]
    pub offset: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReadFileRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// first byte to read
    #[prost(uint64, tag="3")]
    pub offset: u64,
    /// maximum number of bytes; 0: all to the end
    #[prost(uint64, tag="4")]
    pub length: u64,
    /// as in ExecuteRequest
    #[prost(uint64, tag="5")]
    pub window_bytes: u64,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="6")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FileEvent {
    #[prost(oneof="file_event::Event", tags="1, 2, 3")]
    pub event: ::core::option::Option<file_event::Event>,
}
/// Nested message and enum types in `FileEvent`.
pub mod file_event {
    #[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Event {
        #[prost(message, tag="1")]
        Start(super::FileStart),
        /// STDOUT; offset counts from the first byte sent, not from the start of the file
        #[prost(message, tag="2")]
        Output(super::Output),
        #[prost(message, tag="3")]
        End(super::FileEnd),
    }
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FileStart {
    /// for Acknowledge, Detach and Signal
    #[prost(string, tag="1")]
    pub execution: ::prost::alloc::string::String,
    #[prost(uint32, tag="2")]
    pub watcher: u32,
    /// only in ReadFile
    #[prost(message, optional, tag="3")]
    pub info: ::core::option::Option<FileInfo>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FileEnd {
    /// number of bytes sent
    #[prost(uint64, tag="1")]
    pub bytes: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListDirectoryRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="3")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListDirectoryResponse {
    /// a part of the entries; a large directory comes in several responses
    #[prost(message, repeated, tag="1")]
    pub entries: ::prost::alloc::vec::Vec<FileInfo>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StatRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// follows a link
    #[prost(bool, tag="3")]
    pub follow: bool,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="4")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StatResponse {
    /// its name is the requested path
    #[prost(message, optional, tag="1")]
    pub info: ::core::option::Option<FileInfo>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct MakeDirectoryRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// permission bits; 0: 0755
    #[prost(uint32, tag="3")]
    pub mode: u32,
    /// makes missing parent directories; the directory may exist
    #[prost(bool, tag="4")]
    pub parents: bool,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="5")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct MakeDirectoryResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RenameFileRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub from: ::prost::alloc::string::String,
    #[prost(string, tag="3")]
    pub to: ::prost::alloc::string::String,
    /// FAILED_PRECONDITION (ALREADY_EXISTS) if the new path exists
    #[prost(bool, tag="4")]
    pub no_replace: bool,
    /// instead of from: one that is not UTF-8
    #[prost(bytes="bytes", tag="5")]
    pub from_raw: ::prost::bytes::Bytes,
    /// instead of to: one that is not UTF-8
    #[prost(bytes="bytes", tag="6")]
    pub to_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RenameFileResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ChangeModeRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// permission bits, 0 to 0777
    #[prost(uint32, tag="3")]
    pub mode: u32,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="4")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ChangeModeResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RemoveFileRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    #[prost(bool, tag="3")]
    pub recursive: bool,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="4")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RemoveFileResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WriteArchiveRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// the directory to unpack into
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// at most 256 KiB
    #[prost(bytes="bytes", tag="3")]
    pub data: ::prost::bytes::Bytes,
    /// more calls follow
    #[prost(bool, tag="4")]
    pub more: bool,
    /// in all calls after the first: from the first call's answer; then path is ignored
    #[prost(string, tag="5")]
    pub upload: ::prost::alloc::string::String,
    /// of data's first byte in the archive
    #[prost(uint64, tag="6")]
    pub offset: u64,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="7")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WriteArchiveResponse {
    /// set if more calls follow. An upload without a call for 60 s is discarded
    #[prost(string, tag="1")]
    pub upload: ::prost::alloc::string::String,
    /// offset of the next byte that is expected
    #[prost(uint64, tag="2")]
    pub offset: u64,
    /// in the last call's answer: number of files unpacked
    #[prost(uint64, tag="3")]
    pub files: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReadArchiveRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// as in ExecuteRequest
    #[prost(uint64, tag="3")]
    pub window_bytes: u64,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="4")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReleaseRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReleaseResponse {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RenewRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// time to live without use, from now on; over the server's limit: that limit; 0: as before
    #[prost(uint32, tag="2")]
    pub ttl_ms: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RenewResponse {
    /// time left until the lease ends, if it is not used
    #[prost(uint32, tag="1")]
    pub ttl_ms: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StatsRequest {
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WatchStatsRequest {
    /// between two snapshots; 0 means 1000; less than 100 means 100
    #[prost(uint32, tag="1")]
    pub interval_ms: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StatsResponse {
    /// "berth/0.1.0"
    #[prost(string, tag="1")]
    pub server: ::prost::alloc::string::String,
    #[prost(uint64, tag="2")]
    pub uptime_ms: u64,
    /// "docker", "podman", "native", "runc" or "kubernetes"
    #[prost(string, tag="3")]
    pub runtime: ::prost::alloc::string::String,
    /// open now, this one included
    #[prost(uint32, tag="4")]
    pub connections: u32,
    /// running now
    #[prost(uint32, tag="5")]
    pub executions: u32,
    /// the configured pools, then removed ones that still have members
    #[prost(message, repeated, tag="6")]
    pub pools: ::prost::alloc::vec::Vec<PoolStats>,
    /// maximum of memory_used_bytes
    #[prost(uint64, tag="7")]
    pub memory_budget_bytes: u64,
    /// sum of the memory limits of all members
    #[prost(uint64, tag="8")]
    pub memory_used_bytes: u64,
    /// the server's own memory in use for callers: waiting requests, unfinished frames,
    #[prost(uint64, tag="9")]
    pub held_bytes: u64,
    /// queues, ring buffers
    ///
    /// maximum of held_bytes; over it calls fail with RESOURCE_EXHAUSTED (MEMORY_LIMIT)
    #[prost(uint64, tag="10")]
    pub held_budget_bytes: u64,
    /// of the pools' limits, what this server can't hold ("memory", "processes", "cpus"), and
    #[prost(string, repeated, tag="11")]
    pub unheld_limits: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct PoolStats {
    #[prost(string, tag="1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub image: ::prost::alloc::string::String,
    /// number of idle members that the pool keeps
    #[prost(uint32, tag="3")]
    pub target: u32,
    /// maximum of members in all states together
    #[prost(uint32, tag="4")]
    pub max: u32,
    /// members by state: starting + idle + leased + resetting + stopping are all
    #[prost(uint32, tag="5")]
    pub starting: u32,
    #[prost(uint32, tag="6")]
    pub idle: u32,
    #[prost(uint32, tag="7")]
    pub leased: u32,
    #[prost(uint32, tag="8")]
    pub stopping: u32,
    /// queued Acquires
    #[prost(uint32, tag="9")]
    pub waiters: u32,
    /// of the first queued Acquire
    #[prost(uint64, tag="10")]
    pub oldest_wait_ms: u64,
    /// the pool is throttled: it would create a member, but a limit prevents it
    #[prost(bool, tag="11")]
    pub held: bool,
    /// the limit
    #[prost(string, tag="12")]
    pub held_reason: ::prost::alloc::string::String,
    #[prost(enumeration="BreakerState", tag="13")]
    pub breaker: i32,
    /// kind of the last failure: "image missing", "runtime unreachable", "out of memory",
    #[prost(string, tag="14")]
    pub cause: ::prost::alloc::string::String,
    /// "invalid configuration", "not ready in time", "failed"; empty when closed
    ///
    /// the runtime's error message
    #[prost(string, tag="15")]
    pub cause_message: ::prost::alloc::string::String,
    #[prost(uint32, tag="16")]
    pub failures_in_row: u32,
    /// with OPEN
    #[prost(uint64, tag="17")]
    pub next_try_in_ms: u64,
    /// attempts since the server started
    #[prost(uint64, tag="18")]
    pub creates: u64,
    #[prost(uint64, tag="19")]
    pub create_failures: u64,
    /// granted since the server started
    #[prost(uint64, tag="20")]
    pub leases: u64,
    /// members removed since the server started
    #[prost(uint64, tag="21")]
    pub destroyed: u64,
    /// released, being reset
    #[prost(uint32, tag="22")]
    pub resetting: u32,
    /// idle members made from an earlier configuration; they are replaced as new ones get warm
    #[prost(uint32, tag="23")]
    pub outdated: u32,
    /// Acquires are refused, and no member is created
    #[prost(bool, tag="24")]
    pub draining: bool,
    /// successful resets since the server started
    #[prost(uint64, tag="25")]
    pub recycled: u64,
    /// members retired since the server started, by reason, reasons with 0 left out:
    #[prost(btree_map="string, uint64", tag="26")]
    pub retired: ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, u64>,
    /// "released", "lease expired", "connection closed", "died", "age", "idle", "uses",
    /// "unhealthy", "reset failed", "surplus", "reconfigured", "draining",
    /// "evicted"
    ///
    /// time from an Acquire's arrival until it had a member: quantiles, weighted to recent ones,
    #[prost(uint64, tag="27")]
    pub acquire_p50_us: u64,
    /// in microseconds, at most 25 % too high; Acquires that got no member are not counted;
    #[prost(uint64, tag="28")]
    pub acquire_p90_us: u64,
    /// 0 before the first
    #[prost(uint64, tag="29")]
    pub acquire_p99_us: u64,
    /// rate of Acquires, from which a pool that follows demand computes its target
    #[prost(double, tag="30")]
    pub arrivals_per_second: f64,
    /// duration of a create, weighted to recent ones; 0 before the first
    #[prost(uint64, tag="31")]
    pub create_us: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct QuotaRequest {
    /// empty: the caller's own; another's is for operators
    #[prost(string, tag="1")]
    pub tenant: ::prost::alloc::string::String,
    /// all tenants, for operators
    #[prost(bool, tag="2")]
    pub all: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct QuotaResponse {
    #[prost(message, repeated, tag="1")]
    pub tenants: ::prost::alloc::vec::Vec<TenantQuota>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TenantQuota {
    #[prost(string, tag="1")]
    pub tenant: ::prost::alloc::string::String,
    /// "user" or "operator"
    #[prost(string, tag="2")]
    pub role: ::prost::alloc::string::String,
    /// that it may use, its default pool first
    #[prost(string, repeated, tag="3")]
    pub pools: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(message, repeated, tag="4")]
    pub limits: ::prost::alloc::vec::Vec<QuotaLimit>,
    /// maximum of the time-outs that its requests may set
    #[prost(uint64, tag="5")]
    pub max_timeout_ms: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct QuotaLimit {
    /// as in the server's configuration: "max_leases", "cpu_seconds_per_day" …
    #[prost(string, tag="1")]
    pub name: ::prost::alloc::string::String,
    #[prost(uint64, tag="2")]
    pub used: u64,
    /// 0: unlimited
    #[prost(uint64, tag="3")]
    pub limit: u64,
    /// time until `used` is 0 again; 0: it falls as something ends
    #[prost(uint64, tag="4")]
    pub resets_in_ms: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResetBackoffRequest {
    /// empty: all pools
    #[prost(string, tag="1")]
    pub pool: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResetBackoffResponse {
    /// pools whose breaker was open and is now closed
    #[prost(string, repeated, tag="1")]
    pub pools: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResizeRequest {
    /// required, also for the default pool
    #[prost(string, tag="1")]
    pub pool: ::prost::alloc::string::String,
    /// absent: unchanged
    #[prost(oneof="resize_request::NewSize", tags="2")]
    pub new_size: ::core::option::Option<resize_request::NewSize>,
    /// absent: unchanged
    #[prost(oneof="resize_request::NewMax", tags="3")]
    pub new_max: ::core::option::Option<resize_request::NewMax>,
}
/// Nested message and enum types in `ResizeRequest`.
pub mod resize_request {
    /// absent: unchanged
    #[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum NewSize {
        /// idle members to keep; a pool that follows demand gets a fixed size
        #[prost(uint32, tag="2")]
        Size(u32),
    }
    /// absent: unchanged
    #[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum NewMax {
        /// maximum of members in all states together; 1 or more
        #[prost(uint32, tag="3")]
        Max(u32),
    }
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResizeResponse {
    /// the values in effect
    #[prost(uint32, tag="1")]
    pub size: u32,
    #[prost(uint32, tag="2")]
    pub max: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct DrainRequest {
    /// required, also for the default pool
    #[prost(string, tag="1")]
    pub pool: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct DrainResponse {
    /// leases that continue; ListMembers and Stats show when they have ended
    #[prost(uint32, tag="1")]
    pub leased: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListMembersRequest {
    /// empty: all pools
    #[prost(string, tag="1")]
    pub pool: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListMembersResponse {
    #[prost(message, repeated, tag="1")]
    pub members: ::prost::alloc::vec::Vec<Member>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Member {
    /// the member's name, as in AcquireResponse and in the server's log
    #[prost(string, tag="1")]
    pub id: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub pool: ::prost::alloc::string::String,
    #[prost(enumeration="MemberState", tag="3")]
    pub state: i32,
    /// since it became ready; 0 before that
    #[prost(uint64, tag="4")]
    pub age_ms: u64,
    /// number of leases so far
    #[prost(uint32, tag="5")]
    pub uses: u32,
    /// it was made from an earlier configuration
    #[prost(bool, tag="6")]
    pub outdated: bool,
}
/// The reason of a failure, more precise than its code. google.rpc.ErrorInfo.reason holds its name. Reasons may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum ErrorReason {
    Unspecified = 0,
    /// Files:
    ///
    /// NOT_FOUND: nothing is at the path, or its directory does not exist
    NoSuchFile = 1,
    /// FAILED_PRECONDITION
    IsADirectory = 2,
    /// FAILED_PRECONDITION: the path, or a component of it, is not a directory
    NotADirectory = 3,
    /// FAILED_PRECONDITION
    AlreadyExists = 4,
    /// FAILED_PRECONDITION
    DirectoryNotEmpty = 5,
    /// FAILED_PRECONDITION: a device, a pipe or a socket
    NotAFile = 6,
    /// PERMISSION_DENIED: the place cannot be written to
    ReadOnly = 7,
    /// PERMISSION_DENIED: the path is outside the allowed places, or leads there
    Outside = 8,
    /// PERMISSION_DENIED: the user has no permission
    NotPermitted = 9,
    /// RESOURCE_EXHAUSTED
    NoSpace = 10,
    /// FAILED_PRECONDITION: the symbolic links form a loop
    TooManyLinks = 11,
    /// INVALID_ARGUMENT
    NameTooLong = 12,
    /// INVALID_ARGUMENT
    BadArchive = 13,
    /// Leases and executions:
    ///
    /// NOT_FOUND: it does not exist, or has ended
    NoSuchLease = 20,
    /// NOT_FOUND: it does not exist, or is no longer kept
    NoSuchExecution = 21,
    /// NOT_FOUND
    NoSuchPool = 22,
    /// RESOURCE_EXHAUSTED: executions in flight in one lease
    ExecutionLimit = 23,
    /// RESOURCE_EXHAUSTED: programs of one lease that left processes running
    BackgroundLimit = 24,
    /// RESOURCE_EXHAUSTED: the pool's queue of waiting Acquires is full
    WaiterLimit = 25,
    /// RESOURCE_EXHAUSTED: a maximum per client: leases and waiting Acquires, calls, watchers, connections
    ClientLimit = 26,
    /// RESOURCE_EXHAUSTED: the server's memory for callers, or one client's share of it
    MemoryLimit = 27,
    /// RESOURCE_EXHAUSTED
    MessageTooLarge = 28,
    /// FAILED_PRECONDITION: the standard input has ended
    InputEnded = 29,
    /// FAILED_PRECONDITION: bytes before this offset are missing
    InputGap = 30,
    /// FAILED_PRECONDITION: the execution has no terminal
    NoTerminal = 31,
    /// UNAVAILABLE: creating members failed; metadata "retry_after_ms" is the time until the next try
    BreakerOpen = 32,
    /// UNAVAILABLE
    ShuttingDown = 33,
    /// UNAVAILABLE
    DrainingPool = 34,
    /// Contexts:
    ///
    /// NOT_FOUND: it does not exist, was closed, or is lost
    NoSuchContext = 35,
    /// RESOURCE_EXHAUSTED: contexts of one lease
    ContextLimit = 36,
    /// FAILED_PRECONDITION: a piece of code is running in it
    ContextBusy = 37,
    /// FAILED_PRECONDITION: its interpreter is missing, too old, has ended, or can't be copied
    ContextStartFailed = 38,
    /// Connections:
    ///
    /// FAILED_PRECONDITION: nothing listens there, or its backlog is full
    ConnectionRefused = 40,
    /// FAILED_PRECONDITION: the path is not a stream socket
    NotASocket = 41,
    /// RESOURCE_EXHAUSTED: connections of one lease
    ConnectionLimit = 42,
    /// Who calls:
    ///
    /// UNAUTHENTICATED: no token, or one that is unknown, revoked or expired
    UnknownCaller = 50,
    /// PERMISSION_DENIED: the tenant does not have the role operator
    OperatorOnly = 51,
    /// RESOURCE_EXHAUSTED: metadata "limit" names which, "retry_after_ms" is the time until it may be tried again
    TenantLimit = 52,
}
impl ErrorReason {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            ErrorReason::Unspecified => "ERROR_REASON_UNSPECIFIED",
            ErrorReason::NoSuchFile => "NO_SUCH_FILE",
            ErrorReason::IsADirectory => "IS_A_DIRECTORY",
            ErrorReason::NotADirectory => "NOT_A_DIRECTORY",
            ErrorReason::AlreadyExists => "ALREADY_EXISTS",
            ErrorReason::DirectoryNotEmpty => "DIRECTORY_NOT_EMPTY",
            ErrorReason::NotAFile => "NOT_A_FILE",
            ErrorReason::ReadOnly => "READ_ONLY",
            ErrorReason::Outside => "OUTSIDE",
            ErrorReason::NotPermitted => "NOT_PERMITTED",
            ErrorReason::NoSpace => "NO_SPACE",
            ErrorReason::TooManyLinks => "TOO_MANY_LINKS",
            ErrorReason::NameTooLong => "NAME_TOO_LONG",
            ErrorReason::BadArchive => "BAD_ARCHIVE",
            ErrorReason::NoSuchLease => "NO_SUCH_LEASE",
            ErrorReason::NoSuchExecution => "NO_SUCH_EXECUTION",
            ErrorReason::NoSuchPool => "NO_SUCH_POOL",
            ErrorReason::ExecutionLimit => "EXECUTION_LIMIT",
            ErrorReason::BackgroundLimit => "BACKGROUND_LIMIT",
            ErrorReason::WaiterLimit => "WAITER_LIMIT",
            ErrorReason::ClientLimit => "CLIENT_LIMIT",
            ErrorReason::MemoryLimit => "MEMORY_LIMIT",
            ErrorReason::MessageTooLarge => "MESSAGE_TOO_LARGE",
            ErrorReason::InputEnded => "INPUT_ENDED",
            ErrorReason::InputGap => "INPUT_GAP",
            ErrorReason::NoTerminal => "NO_TERMINAL",
            ErrorReason::BreakerOpen => "BREAKER_OPEN",
            ErrorReason::ShuttingDown => "SHUTTING_DOWN",
            ErrorReason::DrainingPool => "DRAINING_POOL",
            ErrorReason::NoSuchContext => "NO_SUCH_CONTEXT",
            ErrorReason::ContextLimit => "CONTEXT_LIMIT",
            ErrorReason::ContextBusy => "CONTEXT_BUSY",
            ErrorReason::ContextStartFailed => "CONTEXT_START_FAILED",
            ErrorReason::ConnectionRefused => "CONNECTION_REFUSED",
            ErrorReason::NotASocket => "NOT_A_SOCKET",
            ErrorReason::ConnectionLimit => "CONNECTION_LIMIT",
            ErrorReason::UnknownCaller => "UNKNOWN_CALLER",
            ErrorReason::OperatorOnly => "OPERATOR_ONLY",
            ErrorReason::TenantLimit => "TENANT_LIMIT",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "ERROR_REASON_UNSPECIFIED" => Some(Self::Unspecified),
            "NO_SUCH_FILE" => Some(Self::NoSuchFile),
            "IS_A_DIRECTORY" => Some(Self::IsADirectory),
            "NOT_A_DIRECTORY" => Some(Self::NotADirectory),
            "ALREADY_EXISTS" => Some(Self::AlreadyExists),
            "DIRECTORY_NOT_EMPTY" => Some(Self::DirectoryNotEmpty),
            "NOT_A_FILE" => Some(Self::NotAFile),
            "READ_ONLY" => Some(Self::ReadOnly),
            "OUTSIDE" => Some(Self::Outside),
            "NOT_PERMITTED" => Some(Self::NotPermitted),
            "NO_SPACE" => Some(Self::NoSpace),
            "TOO_MANY_LINKS" => Some(Self::TooManyLinks),
            "NAME_TOO_LONG" => Some(Self::NameTooLong),
            "BAD_ARCHIVE" => Some(Self::BadArchive),
            "NO_SUCH_LEASE" => Some(Self::NoSuchLease),
            "NO_SUCH_EXECUTION" => Some(Self::NoSuchExecution),
            "NO_SUCH_POOL" => Some(Self::NoSuchPool),
            "EXECUTION_LIMIT" => Some(Self::ExecutionLimit),
            "BACKGROUND_LIMIT" => Some(Self::BackgroundLimit),
            "WAITER_LIMIT" => Some(Self::WaiterLimit),
            "CLIENT_LIMIT" => Some(Self::ClientLimit),
            "MEMORY_LIMIT" => Some(Self::MemoryLimit),
            "MESSAGE_TOO_LARGE" => Some(Self::MessageTooLarge),
            "INPUT_ENDED" => Some(Self::InputEnded),
            "INPUT_GAP" => Some(Self::InputGap),
            "NO_TERMINAL" => Some(Self::NoTerminal),
            "BREAKER_OPEN" => Some(Self::BreakerOpen),
            "SHUTTING_DOWN" => Some(Self::ShuttingDown),
            "DRAINING_POOL" => Some(Self::DrainingPool),
            "NO_SUCH_CONTEXT" => Some(Self::NoSuchContext),
            "CONTEXT_LIMIT" => Some(Self::ContextLimit),
            "CONTEXT_BUSY" => Some(Self::ContextBusy),
            "CONTEXT_START_FAILED" => Some(Self::ContextStartFailed),
            "CONNECTION_REFUSED" => Some(Self::ConnectionRefused),
            "NOT_A_SOCKET" => Some(Self::NotASocket),
            "CONNECTION_LIMIT" => Some(Self::ConnectionLimit),
            "UNKNOWN_CALLER" => Some(Self::UnknownCaller),
            "OPERATOR_ONLY" => Some(Self::OperatorOnly),
            "TENANT_LIMIT" => Some(Self::TenantLimit),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum OutputPolicy {
    /// the program continues; the rest is counted, not sent, and Ended has the count
    TruncateOutput = 0,
    /// the program is ended: OUTPUT_LIMIT
    KillAtLimit = 1,
}
impl OutputPolicy {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            OutputPolicy::TruncateOutput => "TRUNCATE_OUTPUT",
            OutputPolicy::KillAtLimit => "KILL_AT_LIMIT",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "TRUNCATE_OUTPUT" => Some(Self::TruncateOutput),
            "KILL_AT_LIMIT" => Some(Self::KillAtLimit),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum Unwatched {
    /// the program continues; the last 1 MiB of each stream is kept, and Dropped reports the rest
    RunOn = 0,
    /// the program blocks when 1 MiB of unread output is kept; nothing is lost
    Wait = 1,
}
impl Unwatched {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Unwatched::RunOn => "RUN_ON",
            Unwatched::Wait => "WAIT",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "RUN_ON" => Some(Self::RunOn),
            "WAIT" => Some(Self::Wait),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum OutputStream {
    Stdout = 0,
    Stderr = 1,
    /// never in an Output: stands for Display, Failure and Prompt, whose `position` counts their bytes
    Events = 2,
}
impl OutputStream {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            OutputStream::Stdout => "STDOUT",
            OutputStream::Stderr => "STDERR",
            OutputStream::Events => "EVENTS",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "STDOUT" => Some(Self::Stdout),
            "STDERR" => Some(Self::Stderr),
            "EVENTS" => Some(Self::Events),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum EndCause {
    Unspecified = 0,
    /// the program exited: exit_code
    Exited = 1,
    /// a signal that Berth did not send ended it: signal
    Signalled = 2,
    /// timeout_ms passed; exit_code or signal say how the program then ended
    TimedOut = 3,
    /// the kernel killed it, or a child of it, at the container's memory limit
    OutOfMemory = 4,
    /// it wrote more than max_output_bytes, with KILL_AT_LIMIT
    OutputLimit = 5,
    /// cancelled by Signal, the call's deadline, the end of its connection or of its lease
    Cancelled = 6,
    /// the container died
    ContainerLost = 7,
    /// it never ran: start_failure and message say why
    StartFailed = 8,
    /// the server is shutting down
    Draining = 9,
    /// it wrote nothing for idle_timeout_ms
    IdleTimeout = 10,
    /// it used cpu_time_ms
    CpuTimeLimit = 11,
    /// its context had ended, or violated the protocol; message says which
    ContextLost = 12,
    /// only for Connect: the other side reset the connection; bytes in flight may be lost
    ConnectionReset = 13,
}
impl EndCause {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            EndCause::Unspecified => "END_CAUSE_UNSPECIFIED",
            EndCause::Exited => "EXITED",
            EndCause::Signalled => "SIGNALLED",
            EndCause::TimedOut => "TIMED_OUT",
            EndCause::OutOfMemory => "OUT_OF_MEMORY",
            EndCause::OutputLimit => "OUTPUT_LIMIT",
            EndCause::Cancelled => "CANCELLED",
            EndCause::ContainerLost => "CONTAINER_LOST",
            EndCause::StartFailed => "START_FAILED",
            EndCause::Draining => "DRAINING",
            EndCause::IdleTimeout => "IDLE_TIMEOUT",
            EndCause::CpuTimeLimit => "CPU_TIME_LIMIT",
            EndCause::ContextLost => "CONTEXT_LOST",
            EndCause::ConnectionReset => "CONNECTION_RESET",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "END_CAUSE_UNSPECIFIED" => Some(Self::Unspecified),
            "EXITED" => Some(Self::Exited),
            "SIGNALLED" => Some(Self::Signalled),
            "TIMED_OUT" => Some(Self::TimedOut),
            "OUT_OF_MEMORY" => Some(Self::OutOfMemory),
            "OUTPUT_LIMIT" => Some(Self::OutputLimit),
            "CANCELLED" => Some(Self::Cancelled),
            "CONTAINER_LOST" => Some(Self::ContainerLost),
            "START_FAILED" => Some(Self::StartFailed),
            "DRAINING" => Some(Self::Draining),
            "IDLE_TIMEOUT" => Some(Self::IdleTimeout),
            "CPU_TIME_LIMIT" => Some(Self::CpuTimeLimit),
            "CONTEXT_LOST" => Some(Self::ContextLost),
            "CONNECTION_RESET" => Some(Self::ConnectionReset),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum StartFailure {
    Unspecified = 0,
    /// a shell would say 127
    ProgramNotFound = 1,
    /// a shell would say 126
    ProgramNotExecutable = 2,
    /// the working directory does not exist, or can't be entered
    BadCwd = 3,
    /// the container has no process or memory left
    NoResources = 4,
}
impl StartFailure {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            StartFailure::Unspecified => "START_FAILURE_UNSPECIFIED",
            StartFailure::ProgramNotFound => "PROGRAM_NOT_FOUND",
            StartFailure::ProgramNotExecutable => "PROGRAM_NOT_EXECUTABLE",
            StartFailure::BadCwd => "BAD_CWD",
            StartFailure::NoResources => "NO_RESOURCES",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "START_FAILURE_UNSPECIFIED" => Some(Self::Unspecified),
            "PROGRAM_NOT_FOUND" => Some(Self::ProgramNotFound),
            "PROGRAM_NOT_EXECUTABLE" => Some(Self::ProgramNotExecutable),
            "BAD_CWD" => Some(Self::BadCwd),
            "NO_RESOURCES" => Some(Self::NoResources),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum FileType {
    Unspecified = 0,
    Regular = 1,
    Directory = 2,
    SymbolicLink = 3,
    /// a socket, a pipe, a device
    Other = 4,
}
impl FileType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            FileType::Unspecified => "FILE_TYPE_UNSPECIFIED",
            FileType::Regular => "REGULAR",
            FileType::Directory => "DIRECTORY",
            FileType::SymbolicLink => "SYMBOLIC_LINK",
            FileType::Other => "OTHER",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "FILE_TYPE_UNSPECIFIED" => Some(Self::Unspecified),
            "REGULAR" => Some(Self::Regular),
            "DIRECTORY" => Some(Self::Directory),
            "SYMBOLIC_LINK" => Some(Self::SymbolicLink),
            "OTHER" => Some(Self::Other),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum BreakerState {
    /// members are created as needed
    Closed = 0,
    /// no member is created until next_try_in_ms
    Open = 1,
    /// one create is tried
    HalfOpen = 2,
}
impl BreakerState {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            BreakerState::Closed => "CLOSED",
            BreakerState::Open => "OPEN",
            BreakerState::HalfOpen => "HALF_OPEN",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "CLOSED" => Some(Self::Closed),
            "OPEN" => Some(Self::Open),
            "HALF_OPEN" => Some(Self::HalfOpen),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum MemberState {
    Unspecified = 0,
    Starting = 1,
    Idle = 2,
    Leased = 3,
    /// released, being reset
    Resetting = 4,
    /// being removed; counts until the runtime has confirmed the removal
    Stopping = 5,
}
impl MemberState {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            MemberState::Unspecified => "MEMBER_STATE_UNSPECIFIED",
            MemberState::Starting => "STARTING",
            MemberState::Idle => "IDLE",
            MemberState::Leased => "LEASED",
            MemberState::Resetting => "RESETTING",
            MemberState::Stopping => "STOPPING",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "MEMBER_STATE_UNSPECIFIED" => Some(Self::Unspecified),
            "STARTING" => Some(Self::Starting),
            "IDLE" => Some(Self::Idle),
            "LEASED" => Some(Self::Leased),
            "RESETTING" => Some(Self::Resetting),
            "STOPPING" => Some(Self::Stopping),
            _ => None,
        }
    }
}
