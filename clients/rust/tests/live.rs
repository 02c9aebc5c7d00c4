// SPDX-License-Identifier: Apache-2.0

//! What the scenarios of proto/vectors do not show: the API, the samples and the README against a real server on runc.
//! `BERTH` names the binary; needs root.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use berth::v1::{EndCause, ErrorReason, OutputStream, Unwatched};
use berth::{
    AcquireOptions, AttachOptions, Client, Command, ConnectOptions, ContextOptions, Error, Event, Options, Piece,
};

struct Server {
    process: Child,
    state: PathBuf,
    address: String,
}

static NUMBER: Mutex<u32> = Mutex::new(0);

impl Server {
    fn start() -> Server {
        let berth = std::env::var("BERTH").expect("BERTH must name the berth binary");
        let number = {
            let mut number = NUMBER.lock().unwrap();
            *number += 1;
            *number
        };
        let name = format!("rust-{}-{number}", std::process::id());
        let state = std::env::temp_dir().join(&name);
        let mut process = Process::new(&berth)
            .args(["serve", "--runtime", "runc", "--image", "host", "--listen", "127.0.0.1:0", "--size", "2"])
            .args(["--log-level", "error", "--instance", &name, "--state-dir"])
            .arg(&state)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("BERTH={berth} does not start: {error}"));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let server = Server { process, state, address: line.trim().rsplit(' ').next().unwrap().into() };
        assert!(line.contains("listening on "), "the server said {line:?}");
        server
    }

    fn client(&self) -> Client {
        Client::new(Options::at(&self.address)).unwrap()
    }

    /// What an example of this package prints.
    fn example(&self, name: &str, arguments: &[&str]) -> String {
        let here = std::env::current_exe().unwrap(); // target/debug/deps/live-…
        let output = Process::new(here.ancestors().nth(2).unwrap().join("examples").join(name))
            .args(arguments)
            .env("BERTH_SERVER", &self.address)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(Process::new("kill").arg(self.process.id().to_string()).status());
        let end = Instant::now() + Duration::from_secs(20);
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > end {
                drop(self.process.kill());
            }
            thread::sleep(Duration::from_millis(20));
        }
        drop(std::fs::remove_dir_all(&self.state));
    }
}

#[test]
fn the_readmes_example_and_the_samples_do_what_they_say() {
    // The first lines are the licence's.
    let (_, source) = include_str!("../samples/example.rs").split_once("\n\n").expect("a line of the licence");
    assert!(include_str!("../README.md").contains(source), "README.md shows samples/example.rs");
    let server = Server::start();
    assert_eq!(server.example("example", &[]), "hello from 42\n");
    let snippet = server.example("snippet", &[]);
    assert!(snippet.starts_with("step 0\nstep 1\nstep 2\nExited 0 after "), "{snippet}");
    let interactive = server.example("interactive", &[]);
    assert!(interactive.contains("2 ** 100 = 1267650600228229401496703205376\n"), "{interactive}");
    let (_, context) = include_str!("../samples/context.rs").split_once("\n\n").expect("a line of the licence");
    assert!(include_str!("../README.md").contains(context), "README.md shows samples/context.rs");
    let said = server.example("context", &[]);
    assert!(include_str!("../README.md").contains(&format!("```text\n{said}```")), "the README does not say {said}");
    let (_, connection) = include_str!("../samples/connection.rs").split_once("\n\n").expect("a line of the licence");
    assert!(include_str!("../README.md").contains(connection), "README.md shows samples/connection.rs");
    let said = server.example("connection", &[]);
    assert!(include_str!("../README.md").contains(&format!("```text\n{said}```")), "the README does not say {said}");
    let ten: String = (0..10).map(|i| format!("program {i} of 10\n")).collect();
    assert_eq!(server.example("ten_at_once", &[]), ten);
    assert!(server.example("bench", &["20"]).starts_with("rust: 20 runs, p50 "));
}

#[test]
fn a_lease_ends_when_it_is_dropped_and_knows_its_member_and_time() {
    let server = Server::start();
    let client = server.client();
    let lease = client.acquire_with(&AcquireOptions::new().lease_time(Duration::from_secs(20))).unwrap();
    assert!(!lease.member().is_empty());
    assert_eq!(lease.time(), Duration::from_secs(20));
    assert_eq!(lease.renew(Some(Duration::from_secs(10))).unwrap(), Duration::from_secs(10));
    let output = lease.run(&Command::shell("echo out; echo err >&2; exit 3")).unwrap();
    assert_eq!((output.stdout_text().as_ref(), output.stderr_text().as_ref()), ("out\n", "err\n"));
    assert_eq!((output.ended.cause(), output.ended.exit_code, output.is_ok()), (EndCause::Exited, 3, false));
    assert!(output.ended.usage.unwrap().wall_us > 0);
    let token = lease.token().to_owned();
    drop(lease);
    assert!(matches!(client.lease(token).run(&Command::new(["true"])), Err(Error::NotFound(_))));
}

#[test]
fn streams_carry_binary_both_ways_more_than_any_window() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..3u32 << 20).map(|i| (i.wrapping_mul(2654435761) >> 24) as u8).collect();
    let execution = server.client().execute(&Command::new(["cat"]).open_stdin()).unwrap();
    let mut back = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            execution.stdin().write_all(&bytes).unwrap();
            execution.close_stdin().unwrap();
        });
        execution.stdout().read_to_end(&mut back).unwrap();
    });
    assert!(back == bytes);
    assert_eq!(execution.wait().unwrap().cause(), EndCause::Exited);
}

#[test]
fn an_execution_goes_on_without_its_connection_and_is_taken_up_where_it_was_left() {
    let server = Server::start();
    let first = server.client();
    let lease = first.acquire_with(&AcquireOptions::new().detached()).unwrap();
    let command = Command::shell("seq 1 200000").resumable(Duration::from_secs(30), Unwatched::Wait);
    let execution = lease.execute(&command).unwrap();
    let id = execution.id().unwrap();
    let mut all = vec![0; 100_000];
    execution.stdout().read_exact(&mut all).unwrap();
    let offset = execution.offset(OutputStream::Stdout);
    assert_eq!(offset, 100_000);
    first.close();

    let second = server.client().lease(lease.token());
    let execution = second.attach(&id, &AttachOptions::new().from(offset, 0)).unwrap();
    execution.stdout().read_to_end(&mut all).unwrap();
    assert_eq!(execution.wait().unwrap().exit_code, 0);
    let expected: String = (1..=200_000).map(|i| format!("{i}\n")).collect();
    assert!(all == expected.as_bytes());
    second.release().unwrap();
}

#[test]
fn files_go_in_and_out_and_what_is_wrong_with_one_is_told_when_it_is_opened() {
    let server = Server::start();
    let client = server.client();
    let lease = client.acquire().unwrap();
    let bytes: Vec<u8> = (0..1_000_000u32).map(|i| (i.wrapping_mul(2654435761) >> 24) as u8).collect();
    lease.write_file("/workspace/big", bytes.clone()).unwrap();
    let mut file = lease.read_file("/workspace/big").unwrap();
    assert_eq!(file.info().size, 1_000_000);
    let mut back = Vec::new();
    file.read_to_end(&mut back).unwrap();
    assert!(back == bytes);
    // One that is given up does not hold up what follows.
    lease.read_file("/workspace/big").unwrap().read_exact(&mut [0; 10]).unwrap();
    let archive = lease.read_archive("/workspace").unwrap();
    assert_eq!(lease.write_archive("/tmp/copy", archive).unwrap(), 1);
    assert_eq!(lease.list("/tmp/copy").unwrap()[0].name, "big");
    assert!(matches!(lease.read_file("/workspace/none"), Err(Error::NotFound(_))));
    lease.remove_tree("/tmp/copy").unwrap();
}

#[test]
fn a_context_keeps_its_variables_shows_values_and_failures_and_says_what_it_knows() {
    let server = Server::start();
    let client = server.client();
    let lease = client.acquire().unwrap();
    let context = lease.context_with(&ContextOptions::new("python").env("WHO", "it").cwd("/tmp")).unwrap();
    assert!(context.version().starts_with("3."), "{}", context.version());
    context.run("import os; x = 6").unwrap();
    let output = context.run("print(os.getcwd(), os.environ['WHO']); x * 7").unwrap();
    assert_eq!((output.stdout_text().as_ref(), output.value().as_deref()), ("/tmp it\n", Some("42")));
    assert!(output.is_ok());

    let failed = context.run("def f():\n    return x / 0\nf()").unwrap();
    let failure = failed.failure.unwrap();
    assert_eq!((failure.to_string(), failed.ended.exit_code), ("ZeroDivisionError: division by zero".into(), 1));
    assert!(failure.traceback.iter().any(|line| line.contains("return x / 0")), "{:?}", failure.traceback);

    let code = "h = display({'text/html': '<b>x</b>', 'text/plain': 'x'}, raw=True, display_id='d')\n\
                h.update({'text/plain': 'y'}, raw=True)";
    let displays = context.run(code).unwrap().displays;
    assert_eq!(&displays[0].form("text/html").unwrap()[..], b"<b>x</b>");
    assert_eq!((displays[1].id.as_str(), displays[1].update, displays[1].text().as_deref()), ("d", true, Some("y")));
    // More than can be on their way without credit, whoever reads.
    let many = "for i in range(500): display(i)\nprint('end')";
    assert_eq!(context.run(many).unwrap().displays.len(), 500);
    let mut end = String::new();
    context.execute(many).unwrap().stdout().read_to_string(&mut end).unwrap();
    assert_eq!(end, "end\n");

    let completion = context.complete("os.getcw", None).unwrap();
    assert!(completion.matches.iter().any(|text| text.contains("getcwd")), "{completion:?}");
    assert!(context.inspect("os.getcwd", 9, false).unwrap().found);
    assert!(!context.inspect("nothing_of_this_name", None, false).unwrap().found);
}

#[test]
fn a_piece_asks_is_interrupted_and_loses_its_context_and_the_lease_lists_those_that_are_open() {
    let server = Server::start();
    let lease = server.client().acquire().unwrap();
    let context = lease.context("python").unwrap();
    let mut execution = context.execute(Piece::new("print('hello', input('Name: '))").open_stdin()).unwrap();
    let asked = execution.find(|event| matches!(event, Ok(Event::Prompt(prompt)) if prompt.text == "Name: "));
    assert!(asked.is_some());
    execution.stdin().write_all(b"Ada\n").unwrap();
    assert_eq!(execution.collect_output().unwrap().stdout_text(), "hello Ada\n");

    let execution = context.execute("y = 1\nprint('ready', flush=True)\nwhile True: pass").unwrap();
    execution.stdout().read_exact(&mut [0; 6]).unwrap();
    let busy = lease.existing_context(context.id()).run("1").unwrap_err();
    assert_eq!(busy.reason(), ErrorReason::ContextBusy);
    execution.signal_named("INT").unwrap();
    assert_eq!(execution.collect_output().unwrap().failure.unwrap().name, "KeyboardInterrupt");
    assert_eq!(context.run("y").unwrap().value().as_deref(), Some("1"));

    let shell = lease.context("bash").unwrap();
    let open = lease.contexts().unwrap();
    let languages: Vec<&str> = open.iter().map(|info| info.language.as_str()).collect();
    assert_eq!((languages, open[0].context.as_str(), open[0].pieces), (vec!["python", "bash"], context.id(), 3));
    shell.close().unwrap();
    assert_eq!(shell.close().unwrap_err().reason(), ErrorReason::NoSuchContext);
    let lost = context.run("import os; os._exit(3)").unwrap();
    assert!(lost.ended.context_lost, "{:?}", lost.ended);
    assert_eq!(context.run("y").unwrap_err().reason(), ErrorReason::NoSuchContext);
    assert!(lease.contexts().unwrap().is_empty());
    let none = lease.context("cobol").unwrap_err();
    assert!(matches!(none, Error::InvalidArgument(_)), "{none:?}");
}

#[test]
fn a_copy_of_a_context_has_its_own_variables_and_is_refused_with_the_reason() {
    let server = Server::start();
    let lease = server.client().acquire().unwrap();
    let context = lease.context("python").unwrap();
    context.run("x = 6").unwrap();
    let copy = context.fork().unwrap();
    assert_eq!((copy.language(), copy.version()), ("python", context.version()));
    copy.run("x += 1").unwrap();
    assert_eq!(context.run("x").unwrap().value().as_deref(), Some("6"));
    drop(context);
    assert_eq!(copy.run("x").unwrap().value().as_deref(), Some("7"));
    copy.run("import threading; done = threading.Event(); threading.Thread(target=done.wait, name='busy').start()")
        .unwrap();
    let refused = copy.fork().unwrap_err();
    assert!(matches!(refused, Error::FailedPrecondition(_)), "{refused:?}");
    assert_eq!(refused.reason(), ErrorReason::ContextStartFailed);
    assert!(refused.to_string().contains("a thread runs in it: busy"), "{refused}");
    copy.run("done.set()").unwrap();
    let shell = lease.context("bash").unwrap();
    assert!(matches!(shell.fork(), Err(Error::Unimplemented(_))));
}

/// Takes connections on port 8000 and on a unix socket, and echoes each; what begins with `reset` is broken off.
const ECHO: &str = r#"
import os, socket, struct, threading
def serve(listener):
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],)).start()
def echo(connection):
    with connection:
        while data := connection.recv(65536):
            if data.startswith(b"reset"):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.sendall(data)
unix = socket.socket(socket.AF_UNIX)
unix.bind("/tmp/echo.sock")
unix.listen()
threading.Thread(target=serve, args=(unix,), daemon=True).start()
serve(socket.create_server(("127.0.0.1", 8000)))
"#;

#[test]
fn a_connection_carries_bytes_both_ways_to_a_port_and_a_socket_and_tells_how_it_ended() {
    let server = Server::start();
    let lease = server.client().acquire().unwrap();
    let refused = lease.connect(&ConnectOptions::port(8000)).unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::ConnectionRefused);
    let none = lease.connect(&ConnectOptions::path("/tmp/none")).unwrap_err();
    assert_eq!(none.reason(), ErrorReason::NoSuchFile);
    let _echo = lease.execute(&Command::code("python", ECHO)).unwrap();
    let wait = Duration::from_secs(10);
    let bytes: Vec<u8> = (0..8u32 << 20).map(|i| (i.wrapping_mul(2654435761) >> 24) as u8).collect();
    for options in [ConnectOptions::port(8000), ConnectOptions::path("/tmp/echo.sock")] {
        let stream = lease.connect(&options.wait(wait)).unwrap();
        let mut back = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                (&stream).write_all(&bytes).unwrap();
                stream.shutdown_write().unwrap();
            });
            (&stream).read_to_end(&mut back).unwrap();
        });
        assert!(back == bytes);
    }
    let mut stream = lease.connect(&ConnectOptions::port(8000)).unwrap();
    stream.write_all(b"reset").unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let mut stream = lease.connect(&ConnectOptions::port(8000)).unwrap();
    lease.release().unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionAborted);
}
