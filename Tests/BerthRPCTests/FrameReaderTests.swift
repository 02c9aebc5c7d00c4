// SPDX-License-Identifier: Apache-2.0

import BerthWire
import NIOCore
import Testing
import TestSupport

@testable import BerthRPC

@Suite("Frames in what a channel reads") struct FrameReaderTests {
    private static let limit = 5000

    private struct Sent {
        var header: FrameHeader
        var data: [UInt8]
    }

    private func frames(_ count: Int, _ random: inout SeededGenerator) -> [Sent] {
        (0..<count).map { index in
            let size = [0, 1, 17, 400, 4999, 5000, 5001, 20_000].randomElement(using: &random) ?? 0
            let data = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }
            return Sent(header: FrameHeader(length: UInt32(size), streamID: UInt32(index), type: .data), data: data)
        }
    }

    @Test(
        "are found whole and in order, however the bytes come in pieces, also when several reads come before any is taken"
    )
    func pieces() {
        var random = SeededGenerator(seed: .random(in: 0..<1_000_000))
        print("FrameReaderTests.pieces: seed \(random.seed)")
        for _ in 0..<60 {
            let sent = frames(20, &random)
            var bytes = ByteBuffer()
            for frame in sent {
                bytes.writeFrame(.data, [], streamID: frame.header.streamID, size: frame.data.count) {
                    $0.copyBytes(from: frame.data)
                }
            }
            let longest = [1, 9, 300, 6000, 100_000].randomElement(using: &random) ?? 1
            var reader = FrameReader(maxDataLength: Self.limit)
            var found: [FrameReader.Item] = []
            while let piece = bytes.readSlice(
                length: min(bytes.readableBytes, .random(in: 1...longest, using: &random))),
                piece.readableBytes > 0
            {
                reader.append(piece)
                if Int.random(in: 0..<4, using: &random) == 0 { continue }
                while let item = reader.next() { found.append(item) }
            }
            while let item = reader.next() { found.append(item) }
            let expected = sent.map { frame -> FrameReader.Item in
                frame.data.count > Self.limit
                    ? .oversized(frame.header) : .frame(frame.header, ByteBuffer(bytes: frame.data))
            }
            #expect(found == expected)
            #expect(reader.unreadBytes == 0)
        }
    }

    @Test("that lie in one read as a whole are slices of it; one that does not is the only one that is copied")
    func copies() {
        var bytes = ByteBuffer()
        for index in 0..<3 { bytes.writeFrame(.data, [], streamID: UInt32(index), size: 1000) { _ in } }
        var rest = bytes
        let first = rest.readSlice(length: 1500) ?? ByteBuffer()
        var reader = FrameReader(maxDataLength: Self.limit)
        var isSlice: [Bool] = []
        for piece in [first, rest] {
            reader.append(piece)
            while case .frame(_, let data) = reader.next() {
                isSlice.append(data.storageCapacity == bytes.storageCapacity)
            }
        }
        #expect(isSlice == [true, false, true])
    }

    @Test("take no more room than a few times what has come, whatever a header announces")
    func announced() {
        var reader = FrameReader(maxDataLength: 4 << 20)
        var header = ByteBuffer()
        header.writeFrame(.data, [], streamID: 1, size: 4 << 20, writing: 90) { _ in }
        reader.append(header)
        #expect(reader.next() == nil)
        #expect(reader.capacity < 1024)
    }
}
