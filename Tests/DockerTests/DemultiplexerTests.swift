// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Testing

@testable import Docker

@Suite("frames of an engine's attached stream")
struct DemultiplexerTests {
    private func frame(_ kind: UInt8, _ text: String) -> [UInt8] {
        let length = UInt32(text.utf8.count)
        return [kind, 0, 0, 0] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + Array(text.utf8)
    }

    private func decode(_ bytes: [UInt8], pieces: Int) throws -> String {
        var (decoder, output, rest) = (Demultiplexer(), [UInt8](), bytes[...])
        while !rest.isEmpty {
            let piece = Array(rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
            try piece.withUnsafeBytes { bytes in try decoder.decode(bytes, into: &output) }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// F30
    @Test("standard output comes out whole, however its frames are cut; standard error is left out")
    func pieces() throws {
        let long = String(repeating: "0123456789", count: 30_000)
        let bytes =
            frame(1, "one") + frame(2, "an error") + frame(1, "") + frame(1, long) + frame(2, "") + frame(1, "end")
        for pieces in [1, 2, 3, 7, 8, 9, 64, 4096, bytes.count] {
            #expect(try decode(bytes, pieces: pieces) == "one\(long)end", "in pieces of \(pieces)")
        }
    }

    @Test("what is no frame ends the stream")
    func violation() throws {
        #expect(throws: HTTPError.self) { try decode(frame(1, "fine") + frame(71, "ET / HTTP"), pieces: 5) }
    }
}
