// SPDX-License-Identifier: Apache-2.0

import BerthWire
import NIOCore
import Testing

@testable import BerthRPC

/// The state machine of a server connection. Calls are represented by names.
@Suite struct ServerStreamsTests {
    @Test("a request on a free odd id opens a call, of the kind that its flags say")
    func opens() {
        var streams = ServerStreams<String>(maxCalls: 10)
        #expect(streams.received(request(5)).outcome == "open unary")
        #expect(streams.received(request(3, .remoteClosed)).outcome == "open stream")
        #expect(streams.received(request(1, .remoteOpen)).outcome == "open stream")
        #expect(streams.received(request(7, [.remoteOpen, .noData])).outcome == "open stream")
        #expect(streams.received(request(9, FrameFlags(rawValue: 0xf8))).outcome == "open unary")
        #expect(streams.received(request(.max)).outcome == "open unary")
    }

    @Test("even ids are refused for frames of any type")
    func even() {
        var streams = ServerStreams<String>(maxCalls: 10)
        for id: UInt32 in [0, 2, 4_294_967_294] {
            for type: UInt8 in [0, 1, 2, 3, 200] {
                let header = FrameHeader(length: 0, streamID: id, type: FrameType(rawValue: type))
                #expect(streams.received(header).outcome == "refuse invalidArgument")
            }
        }
    }

    @Test("a request on an active id is refused, and ends the call there, as a Response ends its stream")
    func activeID() {
        var streams = ServerStreams<String>(maxCalls: 10)
        streams.opened(1, "first", streaming: false, deadline: nil)
        #expect(streams.received(request(1)).outcome == "abort first invalidArgument")
        #expect(streams.count == 0)
        #expect(streams.received(request(1)).outcome == "open unary")
    }

    @Test("data is refused without a stream and on a unary call, and ignored on a stream")
    func data() {
        var streams = ServerStreams<String>(maxCalls: 10)
        #expect(streams.received(data(1)).outcome == "refuse invalidArgument")
        streams.opened(1, "unary", streaming: false, deadline: nil)
        streams.opened(3, "stream", streaming: true, deadline: nil)
        for flags: FrameFlags in [[], .remoteClosed, [.remoteClosed, .noData]] {
            #expect(streams.received(data(3, flags)).outcome == "ignore")
        }
        #expect(streams.received(data(1)).outcome == "abort unary invalidArgument")
        streams.ended(3)
        #expect(streams.received(data(3)).outcome == "refuse invalidArgument")
        #expect(streams.count == 0)
    }

    @Test("responses and unknown types on odd ids are ignored, also where a call is active")
    func ignored() {
        var streams = ServerStreams<String>(maxCalls: 10)
        streams.opened(1, "call", streaming: false, deadline: nil)
        for type in UInt8.min...UInt8.max where type != 1 && type != 3 {
            for id: UInt32 in [1, 3] {
                let header = FrameHeader(length: 4, streamID: id, type: FrameType(rawValue: type))
                #expect(streams.received(header).outcome == "ignore")
            }
        }
        #expect(streams.count == 1)
    }

    @Test("an oversized frame is answered with both numbers, and ends a call that is active on its id")
    func oversized() {
        var streams = ServerStreams<String>(maxCalls: 10)
        let header = FrameHeader(length: 5_000_000, streamID: 1, type: .data)
        guard case .refuse(let error) = streams.receivedOversized(header, limit: 4_194_304) else {
            Issue.record("not refused")
            return
        }
        #expect(error.code == .resourceExhausted)
        #expect(error.message.contains("5000000") && error.message.contains("4194304"))
        streams.opened(1, "call", streaming: true, deadline: nil)
        #expect(streams.receivedOversized(header, limit: 4_194_304).outcome == "abort call resourceExhausted")
    }

    @Test("one call over the limit is refused, and there is room again when one has ended")
    func limit() {
        var streams = ServerStreams<String>(maxCalls: 2)
        streams.opened(1, "a", streaming: false, deadline: nil)
        streams.opened(3, "b", streaming: false, deadline: nil)
        #expect(streams.received(request(5)).outcome == "refuse resourceExhausted")
        streams.ended(1)
        #expect(streams.received(request(5)).outcome == "open unary")
    }

    @Test("exactly the calls whose deadline has come expire, by id, and the next deadline is known")
    func deadlines() {
        var streams = ServerStreams<String>(maxCalls: 10)
        streams.opened(5, "late", streaming: false, deadline: .uptimeNanoseconds(300))
        streams.opened(3, "second", streaming: false, deadline: .uptimeNanoseconds(200))
        streams.opened(1, "first", streaming: true, deadline: .uptimeNanoseconds(100))
        streams.opened(7, "never", streaming: true, deadline: nil)
        #expect(streams.nextDeadline == .uptimeNanoseconds(100))
        #expect(streams.expire(.uptimeNanoseconds(99)).isEmpty)
        #expect(streams.expire(.uptimeNanoseconds(200)).map(\.call) == ["first", "second"])
        #expect(streams.nextDeadline == .uptimeNanoseconds(300))
        #expect(streams.expire(.uptimeNanoseconds(300)).map(\.id) == [5])
        #expect(streams.nextDeadline == nil)
        #expect(streams.closed() == ["never"])
        #expect(streams.count == 0)
    }

    private func request(_ id: UInt32, _ flags: FrameFlags = []) -> FrameHeader {
        FrameHeader(length: 0, streamID: id, type: .request, flags: flags)
    }

    private func data(_ id: UInt32, _ flags: FrameFlags = []) -> FrameHeader {
        FrameHeader(length: 0, streamID: id, type: .data, flags: flags)
    }
}

extension ServerStreams.Decision {
    fileprivate var outcome: String {
        switch self {
        case .open(let streaming): streaming ? "open stream" : "open unary"
        case .refuse(let error): "refuse \(error.code)"
        case .abort(let call, let error): "abort \(call) \(error.code)"
        case .ignore: "ignore"
        }
    }
}
