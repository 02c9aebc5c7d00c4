// SPDX-License-Identifier: Apache-2.0

import BerthWire
import NIOCore
import Testing

@testable import BerthRPC

/// The state machine of a client connection. Calls are represented by names.
@Suite struct ClientStreamsTests {
    @Test("ids are odd, begin with 1, and skip those in use when they begin again")
    func ids() throws {
        var streams = ClientStreams<String>(maxCalls: 10)
        #expect(try streams.open("a", streaming: false, deadline: nil) == 1)
        #expect(try streams.open("b", streaming: false, deadline: nil) == 3)
        var wrapping = ClientStreams<String>(maxCalls: 10, lastID: .max - 2)
        #expect(try wrapping.open("a", streaming: false, deadline: nil) == .max)
        #expect(try wrapping.open("b", streaming: false, deadline: nil) == 1)
        #expect(try wrapping.open("c", streaming: false, deadline: nil) == 3)
        var full = ClientStreams<String>(maxCalls: 10, lastID: .max - 4)
        let first = try full.open("a", streaming: true, deadline: nil)
        _ = try full.open("b", streaming: true, deadline: nil)
        #expect(first == UInt32.max - 2)
        full.lastID = .max - 4
        #expect(try full.open("c", streaming: false, deadline: nil) == 1)
    }

    @Test("a request is refused over the frame's maximum, and over what may wait for the peer to read it")
    func bounds() throws {
        var streams = ClientStreams<String>(maxCalls: 10, maxPendingBytes: 100)
        #expect(try streams.open("a", streaming: false, deadline: nil, size: 60, pending: 40) == 1)
        #expect(throws: RPCError(.resourceExhausted, "41 bytes wait for the peer to read them")) {
            try streams.open("b", streaming: false, deadline: nil, size: 60, pending: 41)
        }
        var wide = ClientStreams<String>(maxCalls: 10)
        #expect(throws: RPCError.tooLarge("the request", FrameHeader.maxDataLength + 1)) {
            try wide.open("c", streaming: false, deadline: nil, size: FrameHeader.maxDataLength + 1)
        }
        #expect(streams.count == 1 && wide.count == 0)
    }

    @Test("an answer ends a unary call; messages and an end are a stream's")
    func outcomes() throws {
        var streams = ClientStreams<String>(maxCalls: 10)
        let unary = try streams.open("u", streaming: false, deadline: nil)
        let stream = try streams.open("s", streaming: true, deadline: nil)
        #expect(streams.received(header(stream, .data, [], 4)).outcome == "message s")
        #expect(streams.received(header(stream, .data, [], 0)).outcome == "message s")
        #expect(streams.received(header(unary, .response)).outcome == "answer u")
        #expect(streams.received(header(stream, .data, .noData)).outcome == "ignore")
        #expect(streams.received(header(stream, .data, [.remoteClosed, .noData])).outcome == "finished s")
        #expect(streams.count == 0)
        let failing = try streams.open("f", streaming: true, deadline: nil)
        #expect(streams.received(header(failing, .response, [], 9)).outcome == "end f")
        let short = try streams.open("l", streaming: true, deadline: nil)
        #expect(streams.received(header(short, .data, .remoteClosed, 3)).outcome == "last l")
        #expect(streams.count == 0)
    }

    @Test("frames that a server must not send are violations")
    func violations() throws {
        var streams = ClientStreams<String>(maxCalls: 10)
        let unary = try streams.open("u", streaming: false, deadline: nil)
        let stream = try streams.open("s", streaming: true, deadline: nil)
        for bad in [
            header(99, .response), header(0, .response), header(2, .data), header(unary, .data),
            header(unary, .request),
            header(stream, .request), header(stream, FrameType(rawValue: 77)), header(stream, .data, .noData, 3),
        ] {
            #expect(streams.received(bad).outcome == "violation", "\(bad)")
        }
        _ = streams.received(header(unary, .response))
        #expect(streams.received(header(unary, .response)).outcome == "violation")
    }

    @Test("what comes for an abandoned call is ignored until the server has ended it")
    func abandoned() throws {
        var streams = ClientStreams<String>(maxCalls: 10)
        let unary = try streams.open("u", streaming: false, deadline: .uptimeNanoseconds(10))
        let stream = try streams.open("s", streaming: true, deadline: nil)
        #expect(streams.expire(.uptimeNanoseconds(10)) == ["u"])
        #expect(streams.abandon(stream) == "s")
        #expect(streams.abandon(stream) == nil)
        #expect(streams.count == 2)
        #expect(streams.received(header(unary, .response)).outcome == "ignore")
        #expect(streams.received(header(unary, .response)).outcome == "violation")
        #expect(streams.received(header(stream, .data, [], 4)).outcome == "ignore")
        #expect(streams.received(header(stream, .data, [.remoteClosed, .noData])).outcome == "ignore")
        #expect(streams.count == 0)
        #expect(streams.closed().isEmpty)
    }

    @Test("calls that the server never ends are bounded, abandoned ones too")
    func limit() throws {
        var streams = ClientStreams<String>(maxCalls: 2)
        let first = try streams.open("a", streaming: false, deadline: nil)
        _ = try streams.open("b", streaming: false, deadline: nil)
        _ = streams.abandon(first)
        #expect(throws: RPCError(.resourceExhausted, "2 calls wait on this connection, the limit")) {
            try streams.open("c", streaming: false, deadline: nil)
        }
        #expect(streams.closed() == ["b"])
    }

    private func header(_ id: UInt32, _ type: FrameType, _ flags: FrameFlags = [], _ length: UInt32 = 0) -> FrameHeader
    {
        FrameHeader(length: length, streamID: id, type: type, flags: flags)
    }
}

extension ClientStreams.Decision {
    fileprivate var outcome: String {
        switch self {
        case .answer(let call): "answer \(call)"
        case .end(let call): "end \(call)"
        case .message(let call): "message \(call)"
        case .lastMessage(let call): "last \(call)"
        case .finished(let call): "finished \(call)"
        case .ignore: "ignore"
        case .violation: "violation"
        }
    }
}
