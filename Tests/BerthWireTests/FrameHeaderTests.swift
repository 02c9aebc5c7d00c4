// SPDX-License-Identifier: Apache-2.0

import BerthWire
import Testing
import TestSupport

@Suite struct FrameHeaderTests {
    @Test("a header is ten bytes: length and stream id big-endian, type, flags")
    func layout() {
        let header = FrameHeader(
            length: 0x0102_0304, streamID: 0xA1A2_A3A4, type: .data, flags: [.remoteClosed, .noData])
        var bytes = [UInt8](repeating: 0xEE, count: 12)
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        #expect(bytes == [1, 2, 3, 4, 0xA1, 0xA2, 0xA3, 0xA4, 3, 5, 0xEE, 0xEE])
        #expect(bytes.withUnsafeBytes { FrameHeader(decoding: $0) } == header)
    }

    @Test("any ten bytes are a header and come back as they were")
    func everyHeader() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<10_000 {
            let bytes = (0..<FrameHeader.size).map { _ in UInt8.random(in: 0...255, using: &random) }
            let header = bytes.withUnsafeBytes { FrameHeader(decoding: $0) }
            var again = [UInt8](repeating: 0, count: FrameHeader.size)
            again.withUnsafeMutableBytes { header.encode(into: $0) }
            #expect(again == bytes)
        }
    }

    @Test("a header may lie at an odd address")
    func unaligned() {
        let bytes: [UInt8] = [0xFF, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0]
        let header = bytes.withUnsafeBytes { FrameHeader(decoding: UnsafeRawBufferPointer(rebasing: $0[1...])) }
        #expect(header == FrameHeader(length: 1, streamID: 2, type: .request))
    }
}
