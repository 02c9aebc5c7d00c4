// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import BerthRPC

/// Item B12: a listener when the process or the host has no descriptors or memory left. (A whole server is tested in
/// another process, since the other threads of this one need descriptors, too.)
@Suite struct AcceptPauseTests {
    @Test(
        "B12: without a descriptor left, accepting pauses, says so once, and goes on half a second later",
        arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func exhausted(code: Int32) throws {
        let words = Mutex<[String]>([])
        let listener = EmbeddedChannel(handler: AcceptPause { word in words.withLock { $0.append(word) } })
        try listener.connect(to: SocketAddress(unixDomainSocketPath: "/any")).wait()
        defer { _ = try? listener.finish() }
        let error = IOError(errnoCode: code, reason: "accept")

        listener.pipeline.fireErrorCaught(error)
        listener.pipeline.fireErrorCaught(error)
        #expect(listener.isReading == false)
        #expect(words.withLock { $0 } == [String(cString: strerror(code))])

        listener.embeddedEventLoop.advanceTime(by: .milliseconds(499))
        #expect(listener.isReading == false)
        listener.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(listener.isReading == true)

        listener.pipeline.fireErrorCaught(error)
        #expect(listener.isReading == false, "it pauses again")
        #expect(words.withLock { $0.count } == 2)
    }

    @Test("other errors of a listener are passed on, and accepting goes on")
    func others() throws {
        let words = Mutex<[String]>([])
        let listener = EmbeddedChannel(handler: AcceptPause { word in words.withLock { $0.append(word) } })
        listener.pipeline.fireErrorCaught(IOError(errnoCode: ECONNABORTED, reason: "accept"))
        #expect(throws: IOError.self) { try listener.throwIfErrorCaught() }
        #expect(listener.isReading == nil && words.withLock { $0.isEmpty })
        _ = try listener.finish()
    }

    @Test("a listener that was closed while it paused is left alone")
    func closed() throws {
        let listener = EmbeddedChannel(handler: AcceptPause { _ in })
        try listener.connect(to: SocketAddress(unixDomainSocketPath: "/any")).wait()
        listener.pipeline.fireErrorCaught(IOError(errnoCode: EMFILE, reason: "accept"))
        _ = try listener.finish()
        listener.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(listener.isReading == false)
    }
}

extension EmbeddedChannel {
    /// Whether the channel reads automatically; nil if that was not set.
    fileprivate var isReading: Bool? {
        options.first { $0.option is ChannelOptions.Types.AutoReadOption }?.value as? Bool
    }
}
