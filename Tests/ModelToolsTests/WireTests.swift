// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelTools

@Suite("Lines of a client")
struct LineSplitterTests {
    /// All lines of the text, which arrives in pieces of the given size.
    private func lines(_ text: String, pieces: Int, limit: Int = 40) -> [LineSplitter.Line] {
        var splitter = LineSplitter(limit: limit)
        var found: [LineSplitter.Line] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            splitter.feed(Array(bytes[start..<min(start + pieces, bytes.count)])) { found.append($0) }
        }
        return found
    }

    private func message(_ text: String) -> LineSplitter.Line { .message(Array(text.utf8)) }

    @Test("are found however they arrive; empty ones are left out, and so is one that has no end", arguments: 1...12)
    func splits(_ pieces: Int) {
        #expect(
            lines("{\"a\":1}\n\r\n  \n{\"é\":2}\r\nrest", pieces: pieces) == [
                message("{\"a\":1}"), message("{\"é\":2}"),
            ])
    }

    @Test(
        "over the limit are not kept, their ids are known, and the next ones are whole",
        arguments: [1, 7, 39, 40, 41, 1000])
    func tooLong(_ pieces: Int) {
        let long = #"{"method":"tools/call","params":{"x":"aaaaaaaaaaaaaaaaaaaa"},"id":12}"#
        let exact = String(repeating: "x", count: 40)
        #expect(
            lines("\(long)\n\(exact)\n\(exact)y\n{}\n", pieces: pieces) == [
                .tooLong(bytes: long.utf8.count, id: .number("12")), message(exact), .tooLong(bytes: 41, id: nil),
                message("{}"),
            ])
    }
}

@Suite("Messages of a client")
struct IncomingTests {
    private func incoming(_ text: String) throws -> Incoming { try Incoming(try JSONParser.parse(Array(text.utf8))) }

    @Test("are requests, notifications and answers")
    func kinds() throws {
        #expect(
            try incoming(#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"x":1}}"#)
                == .request(.init(id: .string("a"), method: "m", params: JSONObject([("x", 1)]))))
        #expect(
            try incoming(#"{"jsonrpc":"2.0","method":"m"}"#) == .notification(method: "m", params: JSONObject()))
        // Never answered, whatever is wrong with it.
        #expect(
            try incoming(#"{"jsonrpc":"2.0","method":"m","params":3}"#)
                == .notification(method: "m", params: JSONObject()))
        #expect(try incoming(#"{"jsonrpc":"2.0","id":1,"result":{}}"#) == .response)
        #expect(try incoming(#"{"jsonrpc":"2.0","id":1,"error":{}}"#) == .response)
    }

    @Test(
        "that break the rules are refused, with the id if there is one",
        arguments: [
            ("3", nil, -32600, "a message must be an object, and this is a number"),
            (#"{"id":1,"method":"m"}"#, "1", -32600, "\"jsonrpc\" must be \"2.0\""),
            (#"{"jsonrpc":"2.0","id":1}"#, "1", -32600, "\"method\" is missing"),
            (#"{"jsonrpc":"2.0","id":1,"method":2}"#, "1", -32600, "\"method\" must be a string, and is a number"),
            (
                #"{"jsonrpc":"2.0","id":null,"method":"m"}"#, nil, -32600,
                "\"id\" must be a string or a whole number, and is null"
            ),
            (
                #"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#, nil, -32600,
                "\"id\" must be a string or a whole number, and is a number"
            ),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#, "1", -32602,
                "\"params\" must be an object, and is an array"
            ),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":1}}"#, "1", -32602,
                "\"_meta\" must be an object, and is a number"
            ),
        ])
    func refuses(_ text: String, _ id: String?, _ code: Int, _ message: String) {
        let refusal = #expect(throws: Incoming.Refusal.self) { try incoming(text) }
        #expect(refusal == .init(id: id.map { .number($0) }, failure: ProtocolFailure(code, message)))
    }

    @Test("carry a progress token of either kind, unchanged")
    func progressTokens() throws {
        for (text, token) in [("\"t\"", JSONValue.string("t")), ("7", 7), ("7.0", .number("7.0"))] {
            guard
                case .request(let request) = try incoming(
                    #"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":\#(text)}}}"#)
            else { throw TestFailure() }
            #expect(request.progressToken == token)
        }
    }
}

struct TestFailure: Error {}

@Suite("The revision of a request")
struct NegotiationTests {
    private func request(_ method: String, _ params: JSONValue = [:]) -> Incoming.Request {
        .init(id: .number("1"), method: method, params: params.object ?? JSONObject())
    }
    private let meta: JSONValue = [
        "_meta": [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": [:],
        ]
    ]

    @Test("is the one that initialize asks for, if it is known, and else the newest with a handshake")
    func handshake() throws {
        for (asked, settled) in [
            ("2024-11-05", ProtocolVersion.november2024), ("2025-03-26", .march2025), ("2025-06-18", .june2025),
            ("2025-11-25", .november2025), ("2026-07-28", .november2025), ("1999-01-01", .november2025),
            ("", .november2025),
        ] {
            var negotiation = Negotiation()
            #expect(try negotiation.version(of: request("initialize", ["protocolVersion": .string(asked)])) == settled)
            #expect(try negotiation.version(of: request("tools/list")) == settled)
        }
    }

    @Test("is in the request itself in the newer era, also beside a handshake")
    func stateless() throws {
        var negotiation = Negotiation()
        #expect(try negotiation.version(of: request("tools/list", meta)) == .july2026)
        #expect(try negotiation.version(of: request("initialize", ["protocolVersion": "2025-06-18"])) == .june2025)
        #expect(try negotiation.version(of: request("tools/call", meta)) == .july2026)
        #expect(try negotiation.version(of: request("tools/call")) == .june2025)
    }

    @Test("is missing before a handshake, but for a ping")
    func missing() throws {
        var negotiation = Negotiation()
        #expect(try negotiation.version(of: request("ping")).hasHandshake)
        for method in ["tools/list", "server/discover"] {
            let failure = #expect(throws: ProtocolFailure.self) { try negotiation.version(of: request(method)) }
            #expect(failure?.code == -32602 && failure?.message.contains("protocolVersion") == true)
        }
        let noVersion = #expect(throws: ProtocolFailure.self) { try negotiation.version(of: request("initialize")) }
        #expect(noVersion == .invalidParameters("initialize needs \"protocolVersion\", a string"))
    }

    @Test("that is not known is refused with all that are, so that a client can fall back")
    func unsupported() {
        var negotiation = Negotiation()
        for asked in ["1900-01-01", "2025-11-25"] {
            let failure = #expect(throws: ProtocolFailure.self) {
                try negotiation.version(
                    of: request(
                        "server/discover",
                        [
                            "_meta": [
                                "io.modelcontextprotocol/protocolVersion": .string(asked),
                                "io.modelcontextprotocol/clientCapabilities": [:],
                            ]
                        ]))
            }
            #expect(failure?.code == -32022)
            #expect(
                failure?.data == [
                    "supported": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"],
                    "requested": .string(asked),
                ])
        }
    }

    @Test("without the client's capabilities is malformed")
    func capabilities() {
        var negotiation = Negotiation()
        let failure = #expect(throws: ProtocolFailure.self) {
            try negotiation.version(
                of: request("tools/list", ["_meta": ["io.modelcontextprotocol/protocolVersion": "2026-07-28"]]))
        }
        #expect(failure?.code == -32602 && failure?.message.contains("clientCapabilities") == true)
    }
}
