#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HelloRequest {
    /// who calls, for the server's log: "name/version"
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
    /// how long to wait at most when no member is warm; 0: the server's default (30 s)
    #[prost(uint32, tag="2")]
    pub wait_ms: u32,
    /// the lease outlives its connection; time alone ends it
    #[prost(bool, tag="3")]
    pub detached: bool,
    /// how long the lease lasts without use; 0, or over the server's limit: that limit (5 min)
    #[prost(uint32, tag="4")]
    pub ttl_ms: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AcquireResponse {
    /// the lease's token: whoever knows it may use it; keep it secret
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// the member's name, for logs
    #[prost(string, tag="2")]
    pub member: ::prost::alloc::string::String,
    /// how long the lease lasts without use, in milliseconds
    #[prost(uint32, tag="3")]
    pub ttl_ms: u32,
    /// the member was idle; false: it was created while this call waited
    #[prost(bool, tag="4")]
    pub warm: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExecuteRequest {
    /// Where: in a lease, or, when lease is empty, in a member of its own, acquired from the pool and released around it.
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// with no lease: the pool's name; empty: the default pool
    #[prost(string, tag="2")]
    pub pool: ::prost::alloc::string::String,
    /// with no lease: as in AcquireRequest
    #[prost(uint32, tag="3")]
    pub wait_ms: u32,
    /// What: argv, or shell, or code.
    ///
    /// the program and its arguments; argv\[0\] without a slash is looked up in PATH
    #[prost(string, repeated, tag="4")]
    pub argv: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// instead of argv: a line for the container's /bin/sh
    #[prost(string, tag="21")]
    pub shell: ::prost::alloc::string::String,
    /// instead of argv: source text, at most 128 KiB less 1 byte, run as `language` says; in a
    #[prost(string, tag="22")]
    pub code: ::prost::alloc::string::String,
    /// context at most 1 MiB
    ///
    /// with code, but not with a context: a name of the pool's configuration; "python" and "sh" are always there
    #[prost(string, tag="23")]
    pub language: ::prost::alloc::string::String,
    /// added to the pool's, and to PATH, HOME, LANG and TERM, which have sane values without asking
    #[prost(btree_map="string, string", tag="5")]
    pub env: ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    /// absolute; empty: the pool's (/workspace)
    #[prost(string, tag="6")]
    pub cwd: ::prost::alloc::string::String,
    /// instead of argv: arguments that are not UTF-8
    #[prost(bytes="bytes", repeated, tag="27")]
    pub argv_raw: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    /// "NAME=value" each, added after env: values that are not UTF-8
    #[prost(bytes="bytes", repeated, tag="24")]
    pub env_raw: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    /// instead of cwd
    #[prost(bytes="bytes", tag="25")]
    pub cwd_raw: ::prost::bytes::Bytes,
    /// with lease and code: the context that runs the code. Its language, environment, working
    #[prost(string, tag="28")]
    pub context: ::prost::alloc::string::String,
    /// directory, user and terminal are the context's: they are not to be given
    ///
    /// the user id it runs as; 0: the member's own. Others only where the pool allows them; root
    #[prost(uint32, tag="7")]
    pub uid: u32,
    // is not to be had.

    /// Its input. With neither of the last two, end of file follows `stdin`.
    ///
    /// the first bytes of its standard input
    #[prost(bytes="bytes", tag="8")]
    pub stdin: ::prost::bytes::Bytes,
    /// more comes with Input
    #[prost(bool, tag="11")]
    pub keep_stdin_open: bool,
    /// it has a terminal: all it writes is STDOUT, and Input is what is typed
    #[prost(message, optional, tag="12")]
    pub terminal: ::core::option::Option<Terminal>,
    /// For how long. What is over its limit gets TERM, a grace, KILL of everything it started.
    ///
    /// 0: the server's default (60 s)
    #[prost(uint32, tag="9")]
    pub timeout_ms: u32,
    /// between TERM and KILL; 0: the server's default (2 s)
    #[prost(uint32, tag="10")]
    pub grace_ms: u32,
    /// since it last wrote anything; 0: none
    #[prost(uint32, tag="16")]
    pub idle_timeout_ms: u32,
    /// CPU time of everything it started; 0: no limit
    #[prost(uint32, tag="17")]
    pub cpu_time_ms: u32,
    /// what it leaves running goes on until the lease ends; else that is killed with it
    #[prost(bool, tag="20")]
    pub keep_background: bool,
    /// Its output.
    ///
    /// output sent and not acknowledged, both streams together, is never more than this: 64 KiB
    #[prost(uint64, tag="13")]
    pub window_bytes: u64,
    /// to 1 MiB. The program then waits for a slow reader, and no other call on the connection
    /// does. Nor are more than 60 events with output unacknowledged, however small they are:
    /// acknowledge also after so many events (half of them, say), not only after so many
    /// bytes. 0: no window; what the connection takes is sent, and a connection whose peer
    /// does not read holds up its own executions
    ///
    /// of each of its streams; 0: no limit
    #[prost(uint64, tag="14")]
    pub max_output_bytes: u64,
    /// what is done at max_output_bytes
    #[prost(enumeration="OutputPolicy", tag="15")]
    pub output_policy: i32,
    /// stdout and stderr are one pipe, in the order of writing: all is STDOUT
    #[prost(bool, tag="26")]
    pub merge_output: bool,
    /// When nobody watches.
    ///
    /// when the last stream that watches it breaks, it goes on for so long, and can be attached
    #[prost(uint32, tag="18")]
    pub resumable_ms: u32,
    /// to; when it has ended, its end and its last output are kept for so long. 0: it is
    /// cancelled, and not kept
    ///
    /// with resumable_ms: what it does meanwhile
    #[prost(enumeration="Unwatched", tag="19")]
    pub unwatched: i32,
}
/// A terminal's size in characters; 0 is 24 and 80.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Terminal {
    #[prost(uint32, tag="1")]
    pub rows: u32,
    #[prost(uint32, tag="2")]
    pub columns: u32,
    /// what is typed is not echoed, from the first byte on
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
    /// the execution's id, for all calls about it; secret, like a lease
    #[prost(string, tag="1")]
    pub execution: ::prost::alloc::string::String,
    /// the member it runs in, for logs
    #[prost(string, tag="2")]
    pub member: ::prost::alloc::string::String,
    /// this stream's number, for Acknowledge and Detach
    #[prost(uint32, tag="3")]
    pub watcher: u32,
}
/// Bytes of a stream that this watcher does not get: they were no longer held when it came to them.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Dropped {
    #[prost(enumeration="OutputStream", tag="1")]
    pub stream: i32,
    /// of the first of them; the next Output of this stream begins at offset + bytes
    #[prost(uint64, tag="2")]
    pub offset: u64,
    #[prost(uint64, tag="3")]
    pub bytes: u64,
}
/// Something that a piece of code shows, in one or more forms. A display is always whole, and counts against the window
/// with its size; one that is larger than what is left of the window is sent when less than a quarter of it is
/// unacknowledged.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Display {
    /// to acknowledge it with, or to go on after it; as if events were a stream of bytes
    #[prost(uint64, tag="1")]
    pub position: u64,
    /// the same thing in each form
    #[prost(message, repeated, tag="2")]
    pub data: ::prost::alloc::vec::Vec<MimeData>,
    /// a name that a later display may refer to; empty: none
    #[prost(string, tag="3")]
    pub id: ::prost::alloc::string::String,
    /// it takes the place of those with this id
    #[prost(bool, tag="4")]
    pub update: bool,
    /// the value of the piece's last expression
    #[prost(bool, tag="5")]
    pub result: bool,
    /// forms that were too large
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
/// A form of a display that was larger than the server's max_display together with those before it.
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
    /// lines for people, without line feeds, the innermost call last
    #[prost(string, repeated, tag="4")]
    pub traceback: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
/// A piece of code waits for a line of its standard input. Answer with Input, "\n" included.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Prompt {
    /// as in Display
    #[prost(uint64, tag="1")]
    pub position: u64,
    /// what it asks
    #[prost(string, tag="2")]
    pub text: ::prost::alloc::string::String,
    /// what is typed is not to be shown
    #[prost(bool, tag="3")]
    pub password: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Output {
    #[prost(enumeration="OutputStream", tag="1")]
    pub stream: i32,
    /// of data's first byte in this stream; no gaps but those that Dropped tells
    #[prost(uint64, tag="2")]
    pub offset: u64,
    /// at most 32 KiB, never empty
    #[prost(bytes="bytes", tag="3")]
    pub data: ::prost::bytes::Bytes,
}
/// Of Connect: the other side has sent all that it will; what goes there still may. Follows the last Output of the stream.
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct OutputEnded {
    /// STDOUT
    #[prost(enumeration="OutputStream", tag="1")]
    pub stream: i32,
    /// how many bytes it had
    #[prost(uint64, tag="2")]
    pub offset: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Ended {
    #[prost(enumeration="EndCause", tag="1")]
    pub cause: i32,
    /// 0 to 255, where it exited
    #[prost(int32, tag="2")]
    pub exit_code: i32,
    /// the signal's number, where one ended it; else 0
    #[prost(int32, tag="3")]
    pub signal: i32,
    /// the cause in words; empty where there is nothing to add
    #[prost(string, tag="4")]
    pub message: ::prost::alloc::string::String,
    #[prost(enumeration="StartFailure", tag="5")]
    pub start_failure: i32,
    #[prost(message, optional, tag="6")]
    pub usage: ::core::option::Option<Usage>,
    /// written by the program in all
    #[prost(uint64, tag="7")]
    pub stdout_bytes: u64,
    #[prost(uint64, tag="8")]
    pub stderr_bytes: u64,
    /// of them: written over max_output_bytes, or when nobody wanted it any more, and not sent
    #[prost(uint64, tag="9")]
    pub stdout_truncated: u64,
    #[prost(uint64, tag="10")]
    pub stderr_truncated: u64,
    /// processes of the container that the kernel killed at its memory limit meanwhile
    #[prost(uint64, tag="11")]
    pub out_of_memory_kills: u64,
    /// of a piece of code: its context ended with it. exit_code or signal are the interpreter's then;
    #[prost(bool, tag="12")]
    pub context_lost: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Usage {
    /// from fork to the end of the program, microseconds
    #[prost(uint64, tag="1")]
    pub wall_us: u64,
    /// CPU time in user mode, waited-for children included
    #[prost(uint64, tag="2")]
    pub user_us: u64,
    /// CPU time in the kernel
    #[prost(uint64, tag="3")]
    pub system_us: u64,
    /// the largest resident set of any one process of it
    #[prost(uint64, tag="4")]
    pub peak_memory_bytes: u64,
}
// In the following requests: `lease` is the lease the execution runs in, or ran in; empty for an Execute that named a pool.

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AttachRequest {
    #[prost(string, tag="1")]
    pub lease: ::prost::alloc::string::String,
    /// from Started
    #[prost(string, tag="2")]
    pub execution: ::prost::alloc::string::String,
    /// where to go on: how much of each stream the caller has
    #[prost(uint64, tag="3")]
    pub stdout_offset: u64,
    #[prost(uint64, tag="4")]
    pub stderr_offset: u64,
    /// instead: what is written from now on
    #[prost(bool, tag="5")]
    pub from_now: bool,
    /// as in ExecuteRequest
    #[prost(uint64, tag="6")]
    pub window_bytes: u64,
    /// never slows the program: when this watcher is too slow, it misses output, and Dropped
    #[prost(bool, tag="7")]
    pub observe: bool,
    /// tells. Does not count as someone who watches when the last one goes
    ///
    /// as stdout_offset, of displays, failures and prompts: the last one's position
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
    /// all before it was consumed; less than the last time changes nothing
    #[prost(uint64, tag="4")]
    pub stdout_offset: u64,
    #[prost(uint64, tag="5")]
    pub stderr_offset: u64,
    /// likewise: of the last Display, Failure or Prompt that was consumed
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
    /// of data's first byte in the standard input; ExecuteRequest.stdin counts
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
    /// of the next byte that is expected
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
    /// instead: ends the execution: TERM, a grace, KILL of everything it started
    #[prost(bool, tag="5")]
    pub cancel: bool,
    /// with cancel; 0: the execution's own
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
    /// the oldest first
    #[prost(message, repeated, tag="1")]
    pub executions: ::prost::alloc::vec::Vec<ExecutionInfo>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExecutionInfo {
    #[prost(string, tag="1")]
    pub execution: ::prost::alloc::string::String,
    /// shortened where it is long
    #[prost(string, repeated, tag="2")]
    pub argv: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// since it was asked for
    #[prost(uint64, tag="3")]
    pub age_ms: u64,
    #[prost(uint32, tag="4")]
    pub watchers: u32,
    /// that have come from it by now
    #[prost(uint64, tag="5")]
    pub stdout_bytes: u64,
    #[prost(uint64, tag="6")]
    pub stderr_bytes: u64,
    /// Attach gets all from this offset on
    #[prost(uint64, tag="7")]
    pub stdout_held_from: u64,
    #[prost(uint64, tag="8")]
    pub stderr_held_from: u64,
    #[prost(uint32, tag="9")]
    pub resumable_ms: u32,
    /// absent while it runs
    #[prost(message, optional, tag="10")]
    pub ended: ::core::option::Option<Ended>,
    /// argv, where it is not UTF-8
    #[prost(bytes="bytes", repeated, tag="11")]
    pub argv_raw: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    /// that it runs in; argv is then the language and the code
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
    /// of a unix socket: absolute
    #[prost(string, tag="2")]
    pub path: ::prost::alloc::string::String,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="3")]
    pub path_raw: ::prost::bytes::Bytes,
    /// of 127.0.0.1, or of ::1 where nobody listens on the former: 1 to 65535
    #[prost(uint32, tag="4")]
    pub port: u32,
    /// how long to wait until somebody listens there; 0: not at all
    #[prost(uint32, tag="5")]
    pub wait_ms: u32,
    /// For how long. What is over its limit is closed.
    ///
    /// 0: the longest that the server allows (24 h)
    #[prost(uint32, tag="6")]
    pub timeout_ms: u32,
    /// since bytes last went either way; 0: none
    #[prost(uint32, tag="7")]
    pub idle_timeout_ms: u32,
    /// as in ExecuteRequest: whoever sends in the container then waits for a slow reader
    #[prost(uint64, tag="8")]
    pub window_bytes: u64,
    /// as in ExecuteRequest; while nobody watches, the other side waits, and nothing is lost
    #[prost(uint32, tag="9")]
    pub resumable_ms: u32,
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
    /// its id, for all calls about it
    #[prost(string, tag="1")]
    pub context: ::prost::alloc::string::String,
    /// of the interpreter: "3.11.2"; empty where it does not tell
    #[prost(string, tag="2")]
    pub version: ::prost::alloc::string::String,
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
    /// the oldest first
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
    /// since it was asked for
    #[prost(uint64, tag="4")]
    pub age_ms: u64,
    /// that were run in it, the one that runs included
    #[prost(uint64, tag="5")]
    pub pieces: u64,
    /// the piece that runs; empty: none
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
    /// where in it, in bytes of UTF-8
    #[prost(uint64, tag="4")]
    pub cursor: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CompleteResponse {
    /// each may stand in the place of the text from start to end
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
    /// where in it, in bytes of UTF-8
    #[prost(uint64, tag="4")]
    pub cursor: u64,
    /// more: the source, where there is one
    #[prost(bool, tag="5")]
    pub detail: bool,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InspectResponse {
    #[prost(bool, tag="1")]
    pub found: bool,
    /// what is known, in one or more forms
    #[prost(message, repeated, tag="2")]
    pub data: ::prost::alloc::vec::Vec<MimeData>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FileInfo {
    /// in its directory; of ReadFile: the path as asked
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
    /// of a link, as it is written there
    #[prost(bytes="bytes", tag="8")]
    pub link_target: ::prost::bytes::Bytes,
    /// the name, where it is not UTF-8
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
    /// directories that are missing on the way are made
    #[prost(bool, tag="5")]
    pub create_parents: bool,
    /// this is not the last call
    #[prost(bool, tag="6")]
    pub more: bool,
    /// from the first call's answer, in all that follow it; then path and mode are ignored
    #[prost(string, tag="7")]
    pub upload: ::prost::alloc::string::String,
    /// of data's first byte in the file; a call that was lost is simply made again
    #[prost(uint64, tag="8")]
    pub offset: u64,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="9")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WriteFileResponse {
    /// with more. What waits for its next call for more than 60 s is given up
    #[prost(string, tag="1")]
    pub upload: ::prost::alloc::string::String,
    /// of the next byte that is expected
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
    /// where to begin
    #[prost(uint64, tag="3")]
    pub offset: u64,
    /// bytes at most; 0: all to the end
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
        /// STDOUT; its offset counts from the first byte sent, not from the file's
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
    /// of ReadFile
    #[prost(message, optional, tag="3")]
    pub info: ::core::option::Option<FileInfo>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FileEnd {
    /// sent in all
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
    /// some of them; several of these follow each other where there are many
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
    /// of a link: what it leads to
    #[prost(bool, tag="3")]
    pub follow: bool,
    /// instead of path: one that is not UTF-8
    #[prost(bytes="bytes", tag="4")]
    pub path_raw: ::prost::bytes::Bytes,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StatResponse {
    /// its name is the path as asked
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
    /// directories that are missing on the way are made; it may be there already
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
    /// FAILED_PRECONDITION (ALREADY_EXISTS) when something is at the new path
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
    /// this is not the last call
    #[prost(bool, tag="4")]
    pub more: bool,
    /// from the first call's answer, in all that follow it; then path is ignored
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
    /// with more. What waits for its next call for more than 60 s is given up
    #[prost(string, tag="1")]
    pub upload: ::prost::alloc::string::String,
    /// of the next byte that is expected
    #[prost(uint64, tag="2")]
    pub offset: u64,
    /// unpacked, with the last call
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
    /// how long the lease lasts without use from now on, over the server's limit: that limit;
    #[prost(uint32, tag="2")]
    pub ttl_ms: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RenewResponse {
    /// the time left: the lease ends then, if it is not used until then
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
    /// between two snapshots; 0: 1000; less than 100: 100
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
    /// "docker" or "runc"
    #[prost(string, tag="3")]
    pub runtime: ::prost::alloc::string::String,
    /// open now, this one included
    #[prost(uint32, tag="4")]
    pub connections: u32,
    /// running now
    #[prost(uint32, tag="5")]
    pub executions: u32,
    /// as configured, then those that no longer are and still have members
    #[prost(message, repeated, tag="6")]
    pub pools: ::prost::alloc::vec::Vec<PoolStats>,
    /// what all members' limits together may reach
    #[prost(uint64, tag="7")]
    pub memory_budget_bytes: u64,
    /// the sum of the members' limits now
    #[prost(uint64, tag="8")]
    pub memory_used_bytes: u64,
    /// the server's own memory that is held for callers now: requests that wait, unfinished
    #[prost(uint64, tag="9")]
    pub held_bytes: u64,
    /// frames, queues, rings
    ///
    /// what that may reach; over it calls get RESOURCE_EXHAUSTED (MEMORY_LIMIT)
    #[prost(uint64, tag="10")]
    pub held_budget_bytes: u64,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct PoolStats {
    #[prost(string, tag="1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag="2")]
    pub image: ::prost::alloc::string::String,
    /// members kept idle
    #[prost(uint32, tag="3")]
    pub target: u32,
    /// members in all states together, at most
    #[prost(uint32, tag="4")]
    pub max: u32,
    /// the states: starting + idle + leased + resetting + stopping are all members
    #[prost(uint32, tag="5")]
    pub starting: u32,
    #[prost(uint32, tag="6")]
    pub idle: u32,
    #[prost(uint32, tag="7")]
    pub leased: u32,
    #[prost(uint32, tag="8")]
    pub stopping: u32,
    /// Acquires in line
    #[prost(uint32, tag="9")]
    pub waiters: u32,
    /// of the first in line
    #[prost(uint64, tag="10")]
    pub oldest_wait_ms: u64,
    /// a create is wanted, and a limit is in its way
    #[prost(bool, tag="11")]
    pub held: bool,
    /// which limit
    #[prost(string, tag="12")]
    pub held_reason: ::prost::alloc::string::String,
    #[prost(enumeration="BreakerState", tag="13")]
    pub breaker: i32,
    /// class of the last failure: "image missing", "runtime unreachable", "out of memory",
    #[prost(string, tag="14")]
    pub cause: ::prost::alloc::string::String,
    /// "invalid configuration", "not ready in time", "failed"; empty when closed
    ///
    /// the runtime's own words
    #[prost(string, tag="15")]
    pub cause_message: ::prost::alloc::string::String,
    #[prost(uint32, tag="16")]
    pub failures_in_row: u32,
    /// with OPEN
    #[prost(uint64, tag="17")]
    pub next_try_in_ms: u64,
    /// tried since the start
    #[prost(uint64, tag="18")]
    pub creates: u64,
    #[prost(uint64, tag="19")]
    pub create_failures: u64,
    /// handed out since the start
    #[prost(uint64, tag="20")]
    pub leases: u64,
    /// members gone since the start
    #[prost(uint64, tag="21")]
    pub destroyed: u64,
    /// released, and being made as new
    #[prost(uint32, tag="22")]
    pub resetting: u32,
    /// those of idle that were made like an earlier configuration says; they go as new ones
    #[prost(uint32, tag="23")]
    pub outdated: u32,
    /// get warm
    ///
    /// Acquires are refused, and nothing is created
    #[prost(bool, tag="24")]
    pub draining: bool,
    /// resets since the start that ended in a clean member
    #[prost(uint64, tag="25")]
    pub recycled: u64,
    /// members given up since the start, by reason; reasons with none are left out:
    #[prost(btree_map="string, uint64", tag="26")]
    pub retired: ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, u64>,
    /// "released", "lease expired", "connection closed", "died", "age", "idle", "uses",
    /// "unhealthy", "reset failed", "surplus", "reconfigured", "draining"
    ///
    /// how long Acquires took from coming in to the member being theirs, recent ones mostly:
    #[prost(uint64, tag="27")]
    pub acquire_p50_us: u64,
    /// quantiles in microseconds, at most 25 % too high; those that got no member are not
    #[prost(uint64, tag="28")]
    pub acquire_p90_us: u64,
    /// in them; 0 before the first
    #[prost(uint64, tag="29")]
    pub acquire_p99_us: u64,
    /// Acquires, as the target of a pool that follows demand is computed from them
    #[prost(double, tag="30")]
    pub arrivals_per_second: f64,
    /// what a create takes, recent ones mostly; 0 before the first
    #[prost(uint64, tag="31")]
    pub create_us: u64,
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
    /// those whose breaker was not closed, and now is
    #[prost(string, repeated, tag="1")]
    pub pools: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResizeRequest {
    /// always named, also the default one
    #[prost(string, tag="1")]
    pub pool: ::prost::alloc::string::String,
    /// absent: as it is
    #[prost(oneof="resize_request::NewSize", tags="2")]
    pub new_size: ::core::option::Option<resize_request::NewSize>,
    /// absent: as it is
    #[prost(oneof="resize_request::NewMax", tags="3")]
    pub new_max: ::core::option::Option<resize_request::NewMax>,
}
/// Nested message and enum types in `ResizeRequest`.
pub mod resize_request {
    /// absent: as it is
    #[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum NewSize {
        /// members kept idle; makes the size of a pool that follows demand fixed
        #[prost(uint32, tag="2")]
        Size(u32),
    }
    /// absent: as it is
    #[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum NewMax {
        /// members in all states together, at most; 1 or more
        #[prost(uint32, tag="3")]
        Max(u32),
    }
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResizeResponse {
    /// as they are now
    #[prost(uint32, tag="1")]
    pub size: u32,
    #[prost(uint32, tag="2")]
    pub max: u32,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct DrainRequest {
    /// always named, also the default one
    #[prost(string, tag="1")]
    pub pool: ::prost::alloc::string::String,
}
#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct DrainResponse {
    /// leases that go on; ListMembers and Stats show when they have ended
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
    /// since it got ready; 0 before
    #[prost(uint64, tag="4")]
    pub age_ms: u64,
    /// how often it was leased
    #[prost(uint32, tag="5")]
    pub uses: u32,
    /// it was made like an earlier configuration says
    #[prost(bool, tag="6")]
    pub outdated: bool,
}
/// The finer kind of a failure, by its name in google.rpc.ErrorInfo.reason. More may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum ErrorReason {
    Unspecified = 0,
    /// Files:
    ///
    /// NOT_FOUND: nothing is at the path, or no directory to write it into
    NoSuchFile = 1,
    /// FAILED_PRECONDITION
    IsADirectory = 2,
    /// FAILED_PRECONDITION: also something on the way that is none
    NotADirectory = 3,
    /// FAILED_PRECONDITION
    AlreadyExists = 4,
    /// FAILED_PRECONDITION
    DirectoryNotEmpty = 5,
    /// FAILED_PRECONDITION: a device, a pipe or a socket
    NotAFile = 6,
    /// PERMISSION_DENIED: a place that is not to be written to
    ReadOnly = 7,
    /// PERMISSION_DENIED: the path is, or leads, outside of the places it may be in
    Outside = 8,
    /// PERMISSION_DENIED: the user may not
    NotPermitted = 9,
    /// RESOURCE_EXHAUSTED
    NoSpace = 10,
    /// FAILED_PRECONDITION: links that lead in a circle
    TooManyLinks = 11,
    /// INVALID_ARGUMENT
    NameTooLong = 12,
    /// INVALID_ARGUMENT
    BadArchive = 13,
    /// Leases and executions:
    ///
    /// NOT_FOUND: it never was, or has ended
    NoSuchLease = 20,
    /// NOT_FOUND: it never was, or is no longer kept
    NoSuchExecution = 21,
    /// NOT_FOUND
    NoSuchPool = 22,
    /// RESOURCE_EXHAUSTED: executions at a time in one lease
    ExecutionLimit = 23,
    /// RESOURCE_EXHAUSTED: programs of one lease that have left something running
    BackgroundLimit = 24,
    /// RESOURCE_EXHAUSTED: the line of a pool is full
    WaiterLimit = 25,
    /// RESOURCE_EXHAUSTED: what one client may have
    ClientLimit = 26,
    /// RESOURCE_EXHAUSTED: the server's memory for callers, or a client's share of it
    MemoryLimit = 27,
    /// RESOURCE_EXHAUSTED
    MessageTooLarge = 28,
    /// FAILED_PRECONDITION: the standard input has ended
    InputEnded = 29,
    /// FAILED_PRECONDITION: bytes in between are missing
    InputGap = 30,
    /// FAILED_PRECONDITION
    NoTerminal = 31,
    /// UNAVAILABLE: creates failed; metadata "retry_after_ms" is the time to the next try
    BreakerOpen = 32,
    /// UNAVAILABLE
    ShuttingDown = 33,
    /// UNAVAILABLE
    DrainingPool = 34,
    /// Contexts:
    ///
    /// NOT_FOUND: it never was, was closed, or is lost
    NoSuchContext = 35,
    /// RESOURCE_EXHAUSTED: contexts of one lease
    ContextLimit = 36,
    /// FAILED_PRECONDITION: a piece of code runs in it
    ContextBusy = 37,
    /// FAILED_PRECONDITION: its interpreter is not there, too old, or ended; or can't be copied
    ContextStartFailed = 38,
    /// Connections:
    ///
    /// FAILED_PRECONDITION: nobody listens there, or whoever does takes no more
    ConnectionRefused = 40,
    /// FAILED_PRECONDITION: what is at the path is no socket, or none of streams
    NotASocket = 41,
    /// RESOURCE_EXHAUSTED: connections of one lease
    ConnectionLimit = 42,
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
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum OutputPolicy {
    /// the program goes on, the rest is counted, and Ended says how much that was
    TruncateOutput = 0,
    /// it is ended: OUTPUT_LIMIT
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
    /// the last 1 MiB of each stream is kept; who comes late is told what was dropped
    RunOn = 0,
    /// once that is full of what nobody has read, it blocks in its write, and nothing is lost
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
    /// of no Output: Display, Failure and Prompt, of which `position` counts the bytes
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
    /// by itself: exit_code
    Exited = 1,
    /// by a signal that Berth did not send: signal
    Signalled = 2,
    /// timeout_ms passed; exit_code or signal say how it then went
    TimedOut = 3,
    /// the kernel killed it, or a child of it, at the container's memory limit
    OutOfMemory = 4,
    /// it wrote more than max_output_bytes, with KILL_AT_LIMIT
    OutputLimit = 5,
    /// by Signal, by the call's deadline, by its connection's end or by its lease's end
    Cancelled = 6,
    /// the container went away under it
    ContainerLost = 7,
    /// it never ran: start_failure and message say why
    StartFailed = 8,
    /// the server is shutting down
    Draining = 9,
    /// it wrote nothing for idle_timeout_ms
    IdleTimeout = 10,
    /// it used cpu_time_ms
    CpuTimeLimit = 11,
    /// the context it was to run in had ended, or broke the rules; message says which
    ContextLost = 12,
    /// of Connect: the other side broke the connection off, with bytes on their way that nobody took
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
    /// the working directory is not there, or not to be entered
    BadCwd = 3,
    /// no process or no memory left in the container
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
    /// creates go on
    Closed = 0,
    /// no create until next_try_in_ms
    Open = 1,
    /// one create is being tried
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
    /// released, and being made as new
    Resetting = 4,
    /// given up; counts until the runtime has confirmed that it is gone
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
