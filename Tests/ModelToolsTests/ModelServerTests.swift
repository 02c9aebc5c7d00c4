// SPDX-License-Identifier: Apache-2.0

import Berth
import Synchronization
import Testing

@testable import ModelTools

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A model host in this process, at a server whose Berth server is nowhere.
private final class Host {
    let server: ModelServer
    let output: OutputQueue
    private let ends: [Int32]
    private var received: [UInt8] = []

    init(_ change: (inout ModelServerSettings) -> Void = { _ in }) throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        self.ends = ends
        var settings = ModelServerSettings()
        settings.version = "9.9"
        change(&settings)
        var configuration = BerthClient.Configuration()
        configuration.connectTimeout = .milliseconds(20)
        output = OutputQueue(ends[1]) {}
        server = ModelServer(
            settings,
            client: try BerthClient(address: .unix(path: "/nowhere/berth.sock"), configuration: configuration),
            output: output, log: { _ in })
    }

    deinit { for end in ends { close(end) } }

    func send(_ text: String) { server.take(.message(Array(text.utf8))) }

    /// The next message; it fails after 20 s.
    func next() throws -> JSONValue {
        while true {
            if let end = received.firstIndex(of: 0x0a) {
                defer { received.removeFirst(end + 1) }
                return try JSONParser.parse(Array(received[..<end]))
            }
            var ready = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
            try #require(poll(&ready, 1, 20_000) == 1, "no message came")
            var room = [UInt8](repeating: 0, count: 65536)
            let count = read(ends[0], &room, room.count)
            try #require(count > 0)
            received += room[..<count]
        }
    }

    func ask(_ text: String) throws -> JSONObject {
        send(text)
        return try #require(try next().object)
    }

    /// Asks with the metadata of the newer era.
    func askNew(_ method: String, _ params: String = "") throws -> JSONObject {
        let meta =
            #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
        return try ask(
            #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{\#(params.isEmpty ? "" : params + ",")\#(meta)}}"#
        )
    }

    func initialize(_ version: String = "2025-11-25") throws {
        _ = try ask(
            #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"\#(version)","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#
        )
    }
}

extension JSONObject {
    fileprivate func object(_ name: String) -> JSONObject { self[name]?.object ?? JSONObject() }
}

@Suite("A server for models, without a Berth server", .timeLimit(.minutes(1)))
struct ModelServerTests {
    @Test("answers initialize with the revision, its name and what it can do")
    func initialize() throws {
        let host = try Host()
        let answer = try host.ask(
            #"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#)
        #expect(answer["id"] == "i")
        let result = answer.object("result")
        #expect(result["protocolVersion"] == "2025-06-18" && result["capabilities"] == ["tools": [:]])
        #expect(result.object("serverInfo")["version"] == "9.9")
        #expect(result["instructions"]?.string?.isEmpty == false && result["resultType"] == nil)
        host.send(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        #expect(try host.ask(#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#)["result"] == [:])
    }

    @Test("answers server/discover and lists with all that the newer era requires")
    func discover() throws {
        let host = try Host()
        let result = try host.askNew("server/discover").object("result")
        #expect(result["supportedVersions"] == ["2026-07-28"] && result["resultType"] == "complete")
        #expect(result["cacheScope"] == "private" && (result["ttlMs"]?.integer ?? -1) > 0)
        #expect(result.object("_meta").object("io.modelcontextprotocol/serverInfo")["name"] == "berth")
        let list = try host.askNew("tools/list").object("result")
        #expect(list["resultType"] == "complete" && list["cacheScope"] == "private" && list["ttlMs"] != nil)
        #expect(list["tools"]?.array?.count == Tool.allCases.count)
        let call = try host.askNew("tools/call", #""name":"end_session","arguments":{"session":"x"}"#).object("result")
        #expect(call["resultType"] == "complete" && call["isError"] == true)
        // Dropped from the protocol.
        #expect(try host.askNew("ping").object("error")["code"] == -32601)
    }

    @Test("gives each revision the fields that it knows")
    func fields() throws {
        for (version, hasOutput, hasAnnotations) in [
            ("2024-11-05", false, false), ("2025-03-26", false, true), ("2025-06-18", true, true),
            ("2025-11-25", true, true),
        ] {
            let host = try Host()
            try host.initialize(version)
            let list = try host.ask(#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).object("result")
            #expect(list.members.map(\.name) == ["tools"])
            for tool in list["tools"]?.array ?? [] {
                #expect(
                    (tool.object?["outputSchema"] != nil) == hasOutput
                        && (tool.object?["annotations"] != nil) == hasAnnotations)
            }
        }
    }

    @Test(
        "names what is wrong with a message",
        arguments: [
            ("{", JSONValue.null, -32700, "the message is not JSON"),
            (#"{"jsonrpc":"2.0","id":5,"method":"x","params":{"#, 5, -32700, "the message is not JSON"),
            ("[]", .null, -32600, "array"),
            (
                #"{"jsonrpc":"2.0","id":5,"method":"resources/list"}"#, 5, -32601,
                "there is no method \"resources/list\""
            ),
            (#"{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{"cursor":"x"}}"#, 5, -32602, "cursor"),
            (#"{"jsonrpc":"2.0","id":5,"method":"tools/call"}"#, 5, -32602, "\"name\""),
            (
                #"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":1}}"#, 5, -32602,
                "\"name\" must be a string"
            ),
            (
                #"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"rm"}}"#, 5, -32602,
                "there is no tool \"rm\"; there are run_code"
            ),
            (
                #"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"run_code","arguments":[]}}"#, 5,
                -32602, "\"arguments\" must be an object"
            ),
        ])
    func refuses(_ text: String, _ id: JSONValue, _ code: Int, _ words: String) throws {
        let host = try Host()
        try host.initialize()
        let answer = try host.ask(text)
        #expect(answer["id"] == id && answer.object("error")["code"] == JSONValue(code))
        #expect(answer.object("error")["message"]?.string?.contains(words) == true, "\(answer)")
    }

    @Test("answers a message over the limit under its id")
    func tooLong() throws {
        let host = try Host { $0.maxMessage = 100 }
        host.server.take(.tooLong(bytes: 101, id: .number("3")))
        let answer = try #require(try host.next().object)
        #expect(
            answer["id"] == 3
                && answer.object("error")["message"]?.string?.contains("101 bytes, and may have 100") == true)
    }

    @Test("tells the model what is wrong with arguments and sessions in a result, not an error")
    func results() throws {
        let host = try Host()
        try host.initialize()
        for (tool, arguments, words) in [
            ("run_code", #"{"code":1}"#, "`code` must be a string"),
            ("run_code", #"{"code":"1","session":"gone"}"#, "there is no session \"gone\": call start_session"),
            ("end_session", #"{"session":"gone"}"#, "there is no session"),
            ("run_command", #"{"command":"true"}"#, "ask the user to start one with `berth serve`"),
            ("start_session", "{}", "ask the user to start one with `berth serve`"),
        ] {
            let result = try host.ask(
                #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\#(tool)","arguments":\#(arguments)}}"#
            ).object("result")
            #expect(result["isError"] == true)
            #expect(
                result["content"]?.array?.first?.object?["text"]?.string?.contains(words) == true, "\(tool): \(result)")
        }
    }

    @Test("takes messages in an array where the revision has that, and answers them together")
    func batches() throws {
        let host = try Host()
        try host.initialize("2025-03-26")
        host.send(
            #"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":2,"method":"nope"},{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"run_command","arguments":{"command":"true"}}}]"#
        )
        let answers = try #require(try host.next().array)
        #expect(Set(answers.compactMap { $0.object?["id"]?.integer }) == [1, 2, 3])
        // Notifications alone have no answer.
        host.send(#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#)
        #expect(try host.ask(#"{"jsonrpc":"2.0","id":4,"method":"ping"}"#)["id"] == 4)
        #expect(try host.ask("[]").object("error")["code"] == -32600)
        let newer = try Host()
        try newer.initialize("2025-06-18")
        #expect(try newer.ask(#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#).object("error")["code"] == -32600)
    }

    @Test("never answers a notification, an answer, or what cancels nothing")
    func silence() throws {
        let host = try Host()
        try host.initialize()
        host.send(#"{"jsonrpc":"2.0","method":"nobody/knows"}"#)
        host.send(#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
        host.send(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}"#)
        host.send(#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#)
        #expect(try host.ask(#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#)["id"] == 2)
    }
}

@Suite("The lines to a client", .timeLimit(.minutes(1)))
struct OutputQueueTests {
    @Test("wait for one that does not read, progress is left out then, and it counts as full")
    func stalled() async throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        defer { close(ends[1]) }
        let (breaks, broken) = AsyncStream.makeStream(of: Void.self)
        let queue = OutputQueue(ends[1]) { broken.yield() }
        signal(SIGPIPE, SIG_IGN)
        let large = JSONValue.string(String(repeating: "x", count: 700_000))
        queue.send(large)
        #expect(!queue.isFull)
        queue.offer("progress")
        queue.send(large)
        #expect(queue.isFull && queue.count <= 1_400_006)
        var room = [UInt8](repeating: 0, count: 65536)
        var all: [UInt8] = []
        while all.count < 1_400_006 {
            let count = read(ends[0], &room, room.count)
            try #require(count > 0)
            all += room[..<count]
        }
        #expect(all.count == 1_400_006 && all.count(where: { $0 == 0x0a }) == 2)
        await queue.drain(for: .seconds(10))
        #expect(queue.count == 0)
        close(ends[0])
        queue.send("nobody reads this")
        for await _ in breaks { break }
        #expect(queue.count == 0)
    }
}
