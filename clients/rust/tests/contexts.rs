// SPDX-License-Identifier: Apache-2.0

//! Contexts, and what their pieces of code show, against a plain ttrpc server.

mod support;

use std::io::{Read, Write};
use std::sync::Mutex;

use berth::v1::{
    AcknowledgeRequest, AcquireResponse, AttachRequest, CloseContextRequest, CloseContextResponse, CompleteRequest,
    CompleteResponse, ContextInfo, Display, ExecuteRequest, Failure, ForkContextRequest, ForkContextResponse,
    HelloResponse, InputRequest, InputResponse, InspectRequest, InspectResponse, ListContextsResponse, MimeData,
    OpenContextRequest, OpenContextResponse, OutputStream, Prompt,
};
use berth::{AttachOptions, Client, Context, ContextOptions, Error, Event, Execution, Piece};
use support::{Peer, Request, StubServer};

fn display(position: u64, text: &str, result: bool) -> Display {
    let data = vec![MimeData { mime: "text/plain".into(), data: text.to_owned().into() }];
    Display { position, data, result, ..Display::default() }
}

/// Opens any number of contexts, which are `c`; the rest is the test's.
fn serve(handler: impl Fn(&Peer, u32, &Request) + Send + Sync + 'static) -> StubServer {
    StubServer::start(move |peer, stream, request| match request.method.as_str() {
        "Acquire" => peer.answer(stream, &AcquireResponse { lease: "l".into(), ..AcquireResponse::default() }),
        "OpenContext" => {
            peer.answer(stream, &OpenContextResponse { context: "c".into(), version: "3.11.2".into(), warm: false });
        }
        "ForkContext" => {
            peer.answer(stream, &ForkContextResponse { context: "copy".into(), version: "3.11.2".into() });
        }
        "CloseContext" => peer.answer(stream, &CloseContextResponse {}),
        "Hello" => peer.answer(stream, &HelloResponse::default()),
        _ => handler(peer, stream, request),
    })
}

fn open(server: &StubServer) -> Context {
    Client::new(server.options()).unwrap().lease("l").context("python").unwrap()
}

#[test]
fn a_context_is_opened_with_what_belongs_to_the_interpreter_and_closed_when_it_is_dropped() {
    let server = serve(|_, _, _| {});
    let lease = Client::new(server.options()).unwrap().lease("l");
    let options = ContextOptions::new("bash").env("A", "b").cwd("/tmp").uid(7);
    let context = lease.context_with(&options).unwrap();
    assert_eq!((context.id(), context.language(), context.version()), ("c", "bash", "3.11.2"));
    let request: OpenContextRequest = server.take("OpenContext").message();
    assert_eq!((request.lease.as_str(), request.language.as_str(), request.cwd.as_str()), ("l", "bash", "/tmp"));
    assert_eq!((request.env["A"].as_str(), request.uid), ("b", 7));
    drop(context);
    let closed: CloseContextRequest = server.take("CloseContext").message();
    assert_eq!((closed.lease.as_str(), closed.context.as_str()), ("l", "c"));
}

#[test]
fn a_copy_is_a_context_of_its_own_and_closed_when_it_is_dropped() {
    let server = serve(|_, _, _| {});
    let context = open(&server);
    let copy = context.fork().unwrap();
    assert_eq!((copy.id(), copy.language(), copy.version()), ("copy", "python", "3.11.2"));
    let request: ForkContextRequest = server.take("ForkContext").message();
    assert_eq!((request.lease.as_str(), request.context.as_str()), ("l", "c"));
    drop(copy);
    assert_eq!(server.take("CloseContext").message::<CloseContextRequest>().context, "copy");
}

#[test]
fn one_that_was_closed_kept_or_only_taken_up_is_not_closed_when_it_is_dropped() {
    let server = serve(|_, _, _| {});
    let lease = Client::new(server.options()).unwrap().lease("l");
    lease.context("sh").unwrap().close().unwrap();
    lease.context("sh").unwrap().keep();
    drop(lease.existing_context("mine"));
    lease.existing_context("last").close().unwrap();
    let closed = |_| server.take("CloseContext").message::<CloseContextRequest>().context;
    assert_eq!([0, 1].map(closed), ["c", "last"]);
}

#[test]
fn a_piece_says_its_context_and_code_and_its_result_has_what_it_showed() {
    let server = serve(|peer, stream, _| {
        peer.started(stream, "e", 1);
        peer.output(stream, OutputStream::Stdout, 0, b"so:\n");
        let mut shown = display(10, "a table", false);
        shown.data.push(MimeData { mime: "text/html".into(), data: "<b>".into() });
        (shown.id, shown.update) = ("t".into(), true);
        peer.event(stream, Event::Display(shown));
        peer.event(stream, Event::Display(display(20, "42", true)));
        let failure = Failure { position: 30, name: "ValueError".into(), message: "no".into(), ..Failure::default() };
        peer.event(stream, Event::Failure(failure));
        peer.exited(stream, 1);
    });
    let output = open(&server).run(Piece::new("x * 7").stdin("in")).unwrap();
    let request: ExecuteRequest = server.take("Execute").message();
    assert_eq!((request.lease.as_str(), request.context.as_str(), request.code.as_str()), ("l", "c", "x * 7"));
    assert_eq!((request.language.as_str(), &request.stdin[..], request.argv.len()), ("", &b"in"[..], 0));
    assert_eq!((output.stdout_text().as_ref(), output.value().unwrap().as_ref()), ("so:\n", "42"));
    assert_eq!(output.displays.len(), 2);
    let table = &output.displays[0];
    assert_eq!((table.id.as_str(), table.update, table.text().unwrap().as_ref()), ("t", true, "a table"));
    assert_eq!((&table.form("text/html").unwrap()[..], table.form("image/png")), (&b"<b>"[..], None));
    assert_eq!(output.failure.as_ref().unwrap().to_string(), "ValueError: no");
    assert!(!output.is_ok());
}

/// Shows 300 things, with at most 60 on their way, from a position on.
#[derive(Default)]
struct Shower {
    state: Mutex<(u32, u64, u64)>, // the stream; shown and acknowledged
}

const SHOWN: u64 = 300;

impl Shower {
    fn handle(&self, peer: &Peer, stream: u32, request: &Request) {
        let mut state = self.state.lock().unwrap();
        let begins = matches!(request.method.as_str(), "Execute" | "Attach");
        match request.method.as_str() {
            "Execute" => *state = (stream, 0, 0),
            "Attach" => {
                let from = request.message::<AttachRequest>().events_position / 10;
                *state = (stream, from, from);
            }
            "Acknowledge" => state.2 = request.message::<AcknowledgeRequest>().events_position / 10,
            _ => return,
        }
        let stream = state.0;
        if begins {
            peer.started(stream, "e", 7);
            peer.output(stream, OutputStream::Stdout, 0, b"a");
        }
        while state.1 < SHOWN.min(state.2 + 60) {
            state.1 += 1;
            let position = state.1 * 10;
            peer.event(
                stream,
                match state.1 % 3 {
                    0 => Event::Display(display(position, "x", false)),
                    1 => Event::Failure(Failure { position, ..Failure::default() }),
                    _ => Event::Prompt(Prompt { position, ..Prompt::default() }),
                },
            );
            if state.1 == SHOWN {
                peer.output(stream, OutputStream::Stdout, 1, b"b");
                peer.exited(stream, 0);
            }
        }
    }

    fn serve() -> StubServer {
        let shower = Shower::default();
        serve(move |peer, stream, request| shower.handle(peer, stream, request))
    }
}

#[test]
fn what_is_shown_gives_credit_back_as_output_does() {
    let server = Shower::serve();
    let output = open(&server).run("show").unwrap();
    assert_eq!((output.displays.len(), output.stdout.as_slice()), (100, &b"ab"[..]));
}

#[test]
fn who_reads_only_bytes_is_not_held_up_by_what_is_shown() {
    type Read = fn(&Execution) -> String;
    let ways: [Read; 3] = [
        |execution| {
            let mut all = String::new();
            execution.stdout().read_to_string(&mut all).unwrap();
            all
        },
        |execution| {
            let mut all = String::new();
            while let Some(text) = execution.next_text().unwrap() {
                all += &text.text;
            }
            all
        },
        |execution| {
            // The other stream's reader takes nothing of this one.
            assert_eq!(execution.stderr().read(&mut [0]).unwrap(), 0);
            String::from_utf8(execution.collect_output().unwrap().stdout).unwrap()
        },
    ];
    for read in ways {
        let server = Shower::serve();
        let execution = open(&server).execute("show").unwrap();
        assert_eq!(read(&execution), "ab");
        assert_eq!(execution.offset(OutputStream::Events), SHOWN * 10);
    }
}

#[test]
fn an_attach_goes_on_after_what_was_shown_and_gives_credit_from_there() {
    let server = Shower::serve();
    let lease = Client::new(server.options()).unwrap().lease("l");
    let options = AttachOptions::new().events_from(100 * 10);
    let execution = lease.attach("e", &options).unwrap();
    assert_eq!(execution.offset(OutputStream::Events), 1000);
    assert_eq!(execution.collect_output().unwrap().displays.len(), 67);
    assert_eq!(server.take("Attach").message::<AttachRequest>().events_position, 1000);
}

#[test]
fn a_prompt_is_answered_through_standard_input() {
    let piece = Mutex::new(0);
    let server = serve(move |peer, stream, request| match request.method.as_str() {
        "Execute" => {
            *piece.lock().unwrap() = stream;
            peer.started(stream, "e", 1);
            let prompt = Prompt { position: 9, text: "Name: ".into(), password: true };
            peer.event(stream, Event::Prompt(prompt));
        }
        _ => {
            let input: InputRequest = request.message();
            peer.answer(stream, &InputResponse { offset: input.offset + input.data.len() as u64 });
            let piece = *piece.lock().unwrap();
            peer.output(piece, OutputStream::Stdout, 0, &input.data);
            peer.exited(piece, 0);
        }
    });
    let context = open(&server);
    assert!(matches!(context.run(Piece::new("input()").open_stdin()), Err(Error::InvalidArgument(_))));
    let mut execution = context.execute(Piece::new("input()").open_stdin()).unwrap();
    let prompt = execution.by_ref().map(Result::unwrap).find_map(|event| match event {
        Event::Prompt(prompt) => Some(prompt),
        _ => None,
    });
    assert_eq!(prompt.map(|prompt| (prompt.text, prompt.password)), Some(("Name: ".into(), true)));
    execution.stdin().write_all(b"Ada\n").unwrap();
    assert_eq!(execution.collect_output().unwrap().stdout, b"Ada\n");
}

#[test]
fn places_in_code_are_in_bytes_and_the_end_where_none_is_said() {
    let server = serve(|peer, stream, request| match request.method.as_str() {
        "Complete" => {
            let matches = vec!["print".into()];
            peer.answer(stream, &CompleteResponse { matches, start: 3, end: 5 });
        }
        "Inspect" => {
            let data = display(0, "a function", false).data;
            peer.answer(stream, &InspectResponse { found: true, data });
        }
        _ => {
            let info = ContextInfo { context: "c".into(), pieces: 3, ..ContextInfo::default() };
            peer.answer(stream, &ListContextsResponse { contexts: vec![info] });
        }
    });
    let lease = Client::new(server.options()).unwrap().lease("l");
    assert_eq!(lease.contexts().unwrap()[0].pieces, 3);
    let context = lease.existing_context("c");
    let completion = context.complete("é;pr", None).unwrap();
    assert_eq!((completion.matches[0].as_str(), completion.start, completion.end), ("print", 3, 5));
    let request: CompleteRequest = server.take("Complete").message();
    assert_eq!((request.lease.as_str(), request.context.as_str(), request.cursor), ("l", "c", 5));
    let known = context.inspect("print", 2, true).unwrap();
    assert_eq!((known.found, known.text().unwrap().as_ref()), (true, "a function"));
    let request: InspectRequest = server.take("Inspect").message();
    assert_eq!((request.code.as_str(), request.cursor, request.detail), ("print", 2, true));
}
