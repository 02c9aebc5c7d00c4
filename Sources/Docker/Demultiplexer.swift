// SPDX-License-Identifier: Apache-2.0

internal import CurlHTTP

/// Extracts a container's output from the frames of an engine's attached stream: one byte for the stream, three unused, four
/// of length (big-endian), and the data.
struct Demultiplexer: StreamDecoder {
    private enum State {
        /// Number of bytes that are there, of the eight of a header.
        case header(Int)
        /// Number of bytes left, and whether they are standard output.
        case payload(Int, isOutput: Bool)
    }

    private var state = State.header(0)
    private var header: (kind: UInt8, length: Int) = (0, 0)

    mutating func decode(_ bytes: UnsafeRawBufferPointer, into output: inout [UInt8]) throws(HTTPError) {
        var rest = bytes[...]
        while let byte = rest.first {
            switch state {
            case .header(let count):
                rest = rest.dropFirst()
                if count == 0 {
                    guard byte <= 2 else {
                        throw HTTPError(
                            .protocolViolation, "the engine's stream holds a frame of the unknown kind \(byte)")
                    }
                    header = (byte, 0)
                } else if count >= 4 {
                    header.length = header.length << 8 | Int(byte)
                }
                state = count < 7 ? .header(count + 1) : Self.payload(header.length, header.kind)
            case .payload(let left, let isOutput):
                let piece = rest.prefix(left)
                // What the agent says on standard error is for people; the engine has it in its own log.
                if isOutput { output.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece)) }
                rest = rest.dropFirst(piece.count)
                state = Self.payload(left - piece.count, isOutput ? 1 : 2)
            }
        }
    }

    private static func payload(_ left: Int, _ kind: UInt8) -> State {
        left == 0 ? .header(0) : .payload(left, isOutput: kind != 2)
    }
}
