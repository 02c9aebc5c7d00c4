// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import NIOCore
import Testing
import TestSupport

@testable import Service

@Suite("How output is cut into events: few enough for a reader's queue, and not smaller for a reader's haste")
struct CreditRuleTests {
    /// Takes the output for a watcher until it has to wait.
    private func pull(_ hub: inout OutputHub, _ watcher: UInt32) -> [OutputSlice] {
        var slices: [OutputSlice] = []
        while true {
            switch hub.next(watcher) {
            case .output(let slice): slices.append(slice)
            case .start, .dropped: continue
            case .wait, .outputEnded, .end: return slices
            }
        }
    }

    /// The first watcher of a hub.
    private let watcher: UInt32 = 1

    private func makeHub(window: UInt64) -> OutputHub {
        var hub = OutputHub(unread: .overwritten)
        _ = hub.add(at: PerStream(0), window: window, isObserver: false, announces: true)
        _ = hub.started()
        return hub
    }

    @Test("A7: a watcher with a window is never sent more than 60 events that it has not acknowledged")
    func events() throws {
        var hub = makeHub(window: 64 << 10)
        var sent: [OutputSlice] = []
        for index in 0..<1000 {
            _ = hub.append(ByteBuffer(repeating: UInt8(truncatingIfNeeded: index), count: 10), to: .stdout)
            sent += pull(&hub, watcher)
        }
        #expect(sent.count == 60 && sent.allSatisfy { $0.data.readableBytes == 10 })
        // What has gathered meanwhile comes in one.
        _ = try hub.acknowledge(watcher, PerStream(stdout: 10, stderr: 0))
        let more = pull(&hub, watcher)
        #expect(more.map(\.data.readableBytes) == [9400])
        let bytes = [UInt8](more[0].data.readableBytesView)
        #expect(bytes == (60..<1000).flatMap { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 10) })
        _ = try hub.acknowledge(watcher, PerStream(stdout: 10_000, stderr: 0))
        _ = hub.append(ByteBuffer(repeating: 1, count: 10), to: .stdout)
        #expect(pull(&hub, watcher).count == 1, "all credit is back")
    }

    @Test("A7: gaps that an observer was told of count among its 60 events")
    func gaps() throws {
        var hub = OutputHub(unread: .overwritten, ringSize: 1000, agentWindow: 500)
        let governor = hub.add(at: PerStream(0), window: nil, isObserver: false, announces: true)
        let observer = hub.add(at: PerStream(0), window: 100_000, isObserver: true, announces: true)
        _ = hub.started()
        _ = pull(&hub, governor)
        var events = 0
        for _ in 0..<200 {
            for _ in 0..<15 {
                _ = hub.append(ByteBuffer(repeating: 1, count: 100), to: .stdout)
                _ = pull(&hub, governor)
            }
            while true {
                let step = hub.next(observer)
                if case .wait = step { break }
                if case .start = step { continue }
                events += 1
            }
        }
        #expect(events <= 60, "\(events)")
    }

    @Test("A7: joined pieces keep their order with those of the other stream")
    func order() throws {
        var hub = makeHub(window: 64 << 10)
        for text in ["a", "b"] { _ = hub.append(ByteBuffer(string: text), to: .stdout) }
        _ = hub.append(ByteBuffer(string: "!"), to: .stderr)
        for text in ["c", "d"] { _ = hub.append(ByteBuffer(string: text), to: .stdout) }
        #expect(pull(&hub, watcher).map { String(buffer: $0.data) } == ["ab", "!", "cd"])
    }

    @Test("G35: a reader that gives credit back in small pieces is not sent small pieces for it")
    func sillyWindow() throws {
        var hub = makeHub(window: 64 << 10)
        for _ in 0..<20 { _ = hub.append(ByteBuffer(repeating: 1, count: 16 << 10), to: .stdout) }
        let first = pull(&hub, watcher)
        #expect(first.reduce(0) { $0 + $1.data.readableBytes } == 64 << 10)
        for acknowledged in stride(from: UInt64(1000), to: 16 << 10, by: 1000) {
            _ = try hub.acknowledge(watcher, PerStream(stdout: acknowledged, stderr: 0))
            #expect(pull(&hub, watcher).isEmpty, "\(acknowledged)")
        }
        _ = try hub.acknowledge(watcher, PerStream(stdout: 16 << 10, stderr: 0))
        #expect(pull(&hub, watcher).map(\.data.readableBytes) == [16 << 10])
    }

    @Test("G35: a reader that acknowledges each event of many small writes gets larger ones as it falls behind")
    func eager() async throws {
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let connection = try await RawConnection.open(server)
            let stream = connection.execute(
                ExecuteRequest(
                    lease: lease.token, shell: "i=0; while [ $i -lt 30000 ]; do echo 123456789; i=$((i+1)); done",
                    cwd: "/tmp", windowBytes: 64 << 10))
            var events = 0
            while let event = try await stream.next() {
                guard case .output = event else { continue }
                events += 1
                try await connection.acknowledge(stream, lease: lease.token)
            }
            #expect(stream.stdout.count == 300_000)
            // One round trip each: as many as writes would be 30 000.
            #expect(events < 10_000, "\(events)")
            connection.close()
        }
    }
}
