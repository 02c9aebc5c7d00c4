// SPDX-License-Identifier: Apache-2.0

//! What people of the language try, and what the README promises, against a plain ttrpc server.

mod support;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use berth::v1::{
    AcknowledgeRequest, Dropped, ErrorReason, ExecuteRequest, FileInfo, HelloResponse, InputRequest, InputResponse,
    OutputStream, RenameFileRequest, RenameFileResponse, StatResponse, Terminal,
};
use berth::{AttachOptions, Client, Command, Error, Event, Options};
use support::{eventually, Peer, Request, StubServer};

const SPLIT: &[u8] = b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa2\xffz\xe2\x82";
const JOINED: &str = "aé€🚢\u{fffd}z\u{fffd}";

fn client(server: &StubServer) -> Client {
    Client::new(server.options()).unwrap()
}

fn hello(peer: &Peer, stream: u32) {
    peer.answer(stream, &HelloResponse { server: "stub/1".into(), ..HelloResponse::default() });
}

#[test]
fn a_character_that_is_split_between_two_pieces_comes_whole() {
    for size in 1..=4 {
        let server = StubServer::start(move |peer, stream, _| {
            peer.started(stream, "e", 1);
            for (index, piece) in SPLIT.chunks(size).enumerate() {
                peer.output(stream, OutputStream::Stdout, (index * size) as u64, piece);
            }
            peer.exited(stream, 0);
        });
        let execution = client(&server).execute(&Command::new(["x"])).unwrap();
        let mut all = String::new();
        while let Some(piece) = execution.next_text().unwrap() {
            assert!(!piece.text.is_empty());
            all += &piece.text;
        }
        assert_eq!(all, JOINED, "in pieces of {size}");
        assert_eq!(execution.ended().unwrap().exit_code, 0);
    }
}

#[test]
fn what_is_behind_a_gap_is_not_the_rest_of_a_character_before_it() {
    let server = StubServer::start(|peer, stream, _| {
        peer.started(stream, "e", 1);
        peer.output(stream, OutputStream::Stdout, 0, b"a\xe2\x82");
        peer.event(stream, Event::Dropped(Dropped { offset: 3, bytes: 7, ..Dropped::default() }));
        peer.output(stream, OutputStream::Stdout, 10, b"\xacb");
        peer.exited(stream, 0);
    });
    let execution = client(&server).attach("e", &AttachOptions::new()).unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = execution.next_text().unwrap() {
        pieces.push((piece.text, piece.dropped));
    }
    assert_eq!(pieces, [("a".into(), 0), ("\u{fffd}".into(), 7), ("\u{fffd}b".to_owned(), 0)]);
}

/// The client's end, the stream of the call, its window.
type Told = (Peer, u32, u64);
type Call = fn(&Client) -> Result<(), Error>;

/// What is to be written; for an Input, who is answered, and the request.
type Piece = (Vec<u8>, Option<(Peer, u32, InputRequest)>);

/// Writes what it reads, and waits for its reader when a window of it was not taken.
struct Cat {
    /// One thread writes the pieces in the order in which they came: of two threads, the later could be first.
    pieces: Mutex<Sender<Piece>>,
    /// Who is told; taken and acknowledged bytes.
    state: Mutex<(Option<Told>, u64, u64)>,
    changed: Condvar,
}

impl Cat {
    fn start() -> Arc<Cat> {
        let (sender, pieces) = mpsc::channel::<Piece>();
        let cat = Arc::new(Cat { pieces: Mutex::new(sender), state: Mutex::default(), changed: Condvar::new() });
        let writer = cat.clone();
        thread::spawn(move || {
            for (data, asked) in pieces {
                writer.write(&data);
                if let Some((peer, stream, input)) = asked {
                    let (told, taken, _) = &*writer.state.lock().unwrap();
                    assert_eq!(*taken, input.offset + input.data.len() as u64);
                    peer.answer(stream, &InputResponse { offset: *taken });
                    if let (true, Some((peer, stream, _))) = (input.end, told) {
                        peer.exited(*stream, 0);
                    }
                }
            }
        });
        cat
    }

    fn serve(&self, peer: &Peer, stream: u32, request: &Request) {
        match request.method.as_str() {
            "Execute" => {
                let execute: ExecuteRequest = request.message();
                self.state.lock().unwrap().0 = Some((peer.clone(), stream, execute.window_bytes));
                peer.started(stream, "e", 7);
                self.pieces.lock().unwrap().send((execute.stdin.to_vec(), None)).unwrap();
            }
            "Input" => {
                let input: InputRequest = request.message();
                assert!(input.data.len() <= 256 << 10);
                let asked = Some((peer.clone(), stream, input.clone()));
                self.pieces.lock().unwrap().send((input.data.to_vec(), asked)).unwrap();
            }
            "Acknowledge" => {
                self.state.lock().unwrap().2 = request.message::<AcknowledgeRequest>().stdout_offset;
                self.changed.notify_all();
            }
            _ => hello(peer, stream),
        }
    }

    fn write(&self, data: &[u8]) {
        for piece in data.chunks(32 << 10) {
            let size = piece.len() as u64;
            let mut state = self.state.lock().unwrap();
            while state.1 + size > state.2 + state.0.as_ref().unwrap().2 {
                state = self.changed.wait(state).unwrap();
            }
            let (peer, stream, _) = state.0.clone().unwrap();
            peer.output(stream, OutputStream::Stdout, state.1, piece);
            state.1 += size;
        }
    }
}

#[test]
fn standard_input_of_any_length_is_sent_in_pieces_while_the_output_is_read() {
    let cat = Cat::start();
    let server = StubServer::start(move |peer, stream, request| cat.serve(peer, stream, request));
    let data: Vec<u8> = (0..5_000_000u32).map(|i| (i * 7 / 8) as u8).collect();
    let output = client(&server).run(&Command::new(["cat"]).stdin(data.clone())).unwrap();
    assert!(output.stdout == data);
}

#[test]
fn what_is_written_comes_behind_a_long_first_input() {
    let cat = Cat::start();
    let server = StubServer::start(move |peer, stream, request| cat.serve(peer, stream, request));
    let command = Command::new(["cat"]).stdin(vec![0; 2_000_000]).open_stdin();
    let execution = Arc::new(client(&server).execute(&command).unwrap());
    let writer = execution.clone();
    let writing = thread::spawn(move || {
        writer.stdin().write_all(b"last").unwrap();
        writer.close_stdin().unwrap();
    });
    let output = execution.collect_output().unwrap();
    writing.join().unwrap();
    assert_eq!((output.stdout.len(), &output.stdout[2_000_000..]), (2_000_004, &b"last"[..]));
}

#[test]
fn a_program_that_does_not_read_its_long_input_ends_as_it_does() {
    let server = StubServer::start(|peer, stream, request| {
        if request.method == "Input" {
            return peer.fail(stream, 9, "the input has ended");
        }
        peer.started(stream, "e", 1);
        peer.exited(stream, 3);
    });
    let output = client(&server).run(&Command::new(["false"]).stdin(vec![0; 5_000_000])).unwrap();
    assert_eq!(output.ended.exit_code, 3);
}

#[test]
fn run_refuses_an_input_that_is_kept_open() {
    let client = Client::new(Options::at("127.0.0.1:1")).unwrap();
    let command = Command::new(["cat"]).open_stdin();
    assert!(matches!(client.run(&command), Err(Error::InvalidArgument(_))));
    assert!(matches!(client.lease("l").run(&command), Err(Error::InvalidArgument(_))));
}

#[test]
fn what_is_not_utf_8_goes_as_bytes() {
    let server = StubServer::start(|peer, stream, request| match request.method.as_str() {
        "Execute" => {
            peer.started(stream, "e", 1);
            peer.exited(stream, 0);
        }
        "RenameFile" => peer.answer(stream, &RenameFileResponse {}),
        _ => {
            let info = FileInfo { name_raw: vec![0xff].into(), ..FileInfo::default() };
            peer.answer(stream, &StatResponse { info: Some(info) });
        }
    });
    let (client, odd) = (client(&server), OsStr::from_bytes(b"a\xff"));
    let lease = client.lease("l");
    lease.run(&Command::new([OsStr::new("ls"), odd]).cwd(odd).env("A", odd).env("B", "b")).unwrap();
    let ran: ExecuteRequest = server.take("Execute").message();
    assert_eq!((ran.argv.len(), &ran.argv_raw[1][..]), (0, &b"a\xff"[..]));
    assert_eq!((ran.cwd.as_str(), &ran.cwd_raw[..]), ("", &b"a\xff"[..]));
    assert_eq!((ran.env.len(), &ran.env_raw[0][..]), (1, &b"A=a\xff"[..]));
    lease.rename(odd, "/tmp/a", true).unwrap();
    let renamed: RenameFileRequest = server.take("RenameFile").message();
    assert_eq!((&renamed.from_raw[..], renamed.to.as_str()), (&b"a\xff"[..], "/tmp/a"));
    assert_eq!(&lease.stat("/tmp", true).unwrap().name_raw[..], b"\xff");
}

#[test]
fn merged_output_and_a_terminal_without_echo_are_asked_for_and_only_then_in_whatever_order() {
    let server = StubServer::start(|peer, stream, _| {
        peer.started(stream, "e", 1);
        peer.exited(stream, 0);
    });
    let client = client(&server);
    let terminal = |no_echo| Some(Terminal { rows: 24, columns: 80, no_echo });
    for (command, merged, expected) in [
        (Command::new(["x"]), false, None),
        (Command::new(["x"]).merge_output(), true, None),
        (Command::new(["x"]).terminal(24, 80), false, terminal(false)),
        (Command::new(["x"]).terminal(24, 80).no_echo(), false, terminal(true)),
        (Command::new(["x"]).no_echo().terminal(24, 80), false, terminal(true)),
    ] {
        client.run(&command).unwrap();
        let ran: ExecuteRequest = server.take("Execute").message();
        assert_eq!((ran.merge_output, ran.terminal), (merged, expected));
    }
}

#[test]
fn after_the_server_was_killed_everything_about_an_execution_says_unavailable() {
    let server = StubServer::start(|peer, stream, _| peer.started(stream, "e", 1));
    let execution = client(&server).execute(&Command::new(["sleep"])).unwrap();
    execution.id().unwrap();
    server.drop_connections();
    for _ in 0..2 {
        assert!(matches!(execution.wait(), Err(Error::Unavailable(_))));
        assert!(matches!(execution.collect_output(), Err(Error::Unavailable(_))));
        assert!(matches!(execution.next_text(), Err(Error::Unavailable(_))));
    }
}

#[test]
fn a_mute_server_holds_nobody_for_ever() {
    let calls: [Call; 2] =
        [|client| client.run(&Command::new(["sleep"])).map(drop), |client| client.acquire().map(drop)];
    for call in calls {
        let server = StubServer::start(|_, _, _| {});
        let mut options = server.options();
        options.keepalive = Duration::from_millis(200);
        let error = call(&Client::new(options).unwrap()).unwrap_err();
        assert!(
            matches!(error, Error::Unavailable(_)) && error.message().contains("said nothing for 200ms"),
            "{error}"
        );
        server.take("Hello");
    }
}

#[test]
fn a_program_that_is_quiet_for_long_is_not_given_up() {
    let (asked, execution) = (AtomicUsize::new(0), Mutex::new(0));
    let server = StubServer::start(move |peer, stream, request| {
        if request.method == "Execute" {
            *execution.lock().unwrap() = stream;
            return peer.started(stream, "e", 1);
        }
        hello(peer, stream);
        if asked.fetch_add(1, Ordering::Relaxed) == 4 {
            peer.exited(*execution.lock().unwrap(), 0);
        }
    });
    let mut options = server.options();
    options.keepalive = Duration::from_millis(100);
    assert!(Client::new(options).unwrap().run(&Command::new(["sleep"])).unwrap().is_ok());
}

#[test]
fn credit_comes_in_large_pieces_and_before_sixty_events_are_on_their_way() {
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let (given, state) = (acknowledged.clone(), Mutex::new((0, 0u64)));
    let server = StubServer::start(move |peer, stream, request| {
        let mut state = state.lock().unwrap();
        match request.method.as_str() {
            "Execute" => {
                state.0 = stream;
                peer.started(stream, "e", 7);
            }
            "Acknowledge" => given.lock().unwrap().push(request.message::<AcknowledgeRequest>().stdout_offset),
            _ => return hello(peer, stream),
        }
        let credit = given.lock().unwrap().last().copied().unwrap_or(0) + 60;
        while state.1 < credit.min(300) {
            peer.output(state.0, OutputStream::Stdout, state.1, b"x");
            state.1 += 1;
            if state.1 == 300 {
                peer.exited(state.0, 0);
            }
        }
    });
    assert_eq!(client(&server).run(&Command::new(["x"])).unwrap().stdout.len(), 300);
    eventually("all credit", || acknowledged.lock().unwrap().len() >= 8);
    assert_eq!(acknowledged.lock().unwrap()[..8], [30, 60, 90, 120, 150, 180, 210, 240]);
}

#[test]
fn errors_have_a_reason_where_the_code_is_too_coarse() {
    let server = StubServer::start(|peer, stream, request| match request.method.as_str() {
        "Stat" => peer.fail_with(stream, 9, "it is one", "IS_A_DIRECTORY", &[]),
        "Acquire" => peer.fail_with(stream, 14, "later", "BREAKER_OPEN", &[("retry_after_ms", "1500")]),
        _ => peer.fail_with(stream, 8, "no", "A_REASON_OF_LATER", &[]),
    });
    let client = client(&server);
    let stat = client.lease("l").stat("/tmp", false).unwrap_err();
    assert!(matches!(stat, Error::FailedPrecondition(_)));
    assert_eq!((stat.reason(), stat.to_string()), (ErrorReason::IsADirectory, "IS_A_DIRECTORY: it is one".into()));
    assert_eq!(client.acquire().unwrap_err().metadata()["retry_after_ms"], "1500");
    assert_eq!(client.hello().unwrap_err().reason(), ErrorReason::Unspecified);
}

#[test]
fn every_name_of_the_readme_is_there() {
    let readme = include_str!("../README.md");
    let table = &readme[readme.find("## API").unwrap()..readme.find("**Flow control**").unwrap()];
    let sources: String = [
        "blocking",
        "blocking/context",
        "blocking/stream",
        "command",
        "piece",
        "shown",
        "options",
        "error",
        "lib",
        "aio",
        "text",
    ]
    .iter()
    .map(|name| std::fs::read_to_string(format!("{}/src/{name}.rs", env!("CARGO_MANIFEST_DIR"))).unwrap())
    .collect();
    let mut found = 0;
    for quoted in table.split('`').skip(1).step_by(2) {
        let word = quoted.rsplit(&['.', ':', ' '][..]).next().unwrap_or(quoted);
        let word = if quoted.contains('(') { quoted.split('(').next().unwrap() } else { word };
        let name = word.rsplit(&['.', ':', ' '][..]).next().unwrap();
        if name.is_empty() || !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.contains('-') {
            continue;
        }
        if ["for", "async", "drop", "execution", "fn", "aio", "port"].contains(&name) {
            continue;
        }
        found += 1;
        let is_there = [format!("fn {name}("), format!("fn {name}<"), format!("pub {name}:"), format!("data.{name}")]
            .iter()
            .any(|declared| sources.contains(declared.as_str()));
        assert!(is_there || quoted == "output.data", "{quoted}: there is no {name}");
    }
    assert!(found > 50, "only {found} names were looked at");
}

#[test]
fn nothing_is_run_twice_by_itself() {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let server = StubServer::start(move |peer, stream, request| {
        if request.method == "Execute" {
            count.fetch_add(1, Ordering::Relaxed);
            return peer.close();
        }
        hello(peer, stream);
    });
    let client = client(&server);
    assert!(matches!(client.run(&Command::new(["x"])), Err(Error::Unavailable(_))));
    client.hello().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}
