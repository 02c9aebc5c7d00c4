// SPDX-License-Identifier: Apache-2.0

import BerthWire
import NIOCore
import Testing
import TestSupport

@testable import BerthRPC

@Suite struct StreamQueuesTests {
    @Test("streams are taken in turn, a frame each, however much one has")
    func fair() {
        var queues = StreamQueues()
        for _ in 0..<4 { queues.add(1, 10) }
        queues.add(3, 20)
        queues.add(5, 30)
        queues.add(5, 30)
        #expect(queues.bytes(of: 1) == 80)
        var order: [UInt32] = []
        while let frame = queues.takeFrame() { order.append(frame.header.streamID) }
        #expect(order == [1, 3, 5, 1, 5, 1, 1])
        #expect(queues.isEmpty)
    }

    @Test("random appends and takes: nothing is lost, doubled or out of order within a stream, and the bytes add up")
    func random() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("StreamQueuesTests.random: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var queues = StreamQueues()
        var model: [UInt32: [Int]] = [:]
        for _ in 0..<20_000 {
            if Bool.random(using: &random) {
                let id = UInt32.random(in: 0..<8, using: &random) * 2 + 1
                let size = Int.random(in: 0...500, using: &random)
                queues.add(id, size)
                model[id, default: []].append(size)
            } else if let frame = queues.takeFrame() {
                let header = frame.header
                #expect(model[header.streamID]?.first == Int(header.length), "seed \(seed)")
                model[header.streamID]?.removeFirst()
            }
            let bytes = model.values.joined().reduce(0) { $0 + $1 + FrameHeader.size }
            #expect(queues.totalBytes == bytes, "seed \(seed)")
        }
    }

    @Test("a queue that is never empty does not grow")
    func steady() {
        var queues = StreamQueues()
        queues.add(1, 1000)
        for _ in 0..<100_000 {
            queues.add(1, 1000)
            _ = queues.takeFrame()
        }
        #expect(queues.totalBytes == 1010)
        #expect(queues.takeFrame()?.storageCapacity ?? .max < 64 << 10)
    }
}

extension StreamQueues {
    fileprivate mutating func add(_ id: UInt32, _ size: Int) {
        append(.data, [], streamID: id, size: size) { $0.initializeMemory(as: UInt8.self, repeating: 7) }
    }
}

extension ByteBuffer {
    fileprivate var header: FrameHeader { withUnsafeReadableBytes { FrameHeader(decoding: $0) } }
}
