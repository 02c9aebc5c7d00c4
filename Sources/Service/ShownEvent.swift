// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import NIOCore
internal import BerthRPC
internal import BerthSchema

/// A display, failure or prompt of a piece of code, in the encoding in which it is held: the letter of its kind, and the message
/// without its position. The message is encoded again, since a program may have written the bytes that came.
enum ShownEvent {
    /// Maximum number of parts of one event: decoded, each needs more memory than its bytes.
    private static let maxParts = 20_000
    /// - Returns: nil if the bytes are not an event.
    static func held(_ kind: ContextControl.Kind, _ payload: [UInt8]) -> [UInt8]? {
        let arena = Arena()
        guard kind == .display || payload.count <= ContextControl.largestText, hasFewParts(payload) else { return nil }
        return payload.withUnsafeBytes { bytes in
            switch kind {
            case .display:
                guard var display = try? Display(decoding: bytes, arena: arena) else { return nil }
                display.position = 0
                return encoded(kind, display, arena)
            case .failure:
                guard var failure = try? Failure(decoding: bytes, arena: arena) else { return nil }
                failure.position = 0
                return encoded(kind, failure, arena)
            case .prompt:
                guard var prompt = try? Prompt(decoding: bytes, arena: arena) else { return nil }
                prompt.position = 0
                return encoded(kind, prompt, arena)
            case .ready, .go, .ended, .copied, .completion, .inspection: return nil
            }
        }
    }

    /// Replaces a display that can't be shown.
    static func leftOut(_ count: Int) -> [UInt8] {
        encoded(.display, Display(leftOut: [LeftOut(bytes: UInt64(count))]), Arena())
    }

    private static func encoded(_ kind: ContextControl.Kind, _ message: some Message, _ arena: Arena) -> [UInt8] {
        message.encode(arena: arena) { size, pack in
            [UInt8](unsafeUninitializedCapacity: size + 1) { buffer, count in
                buffer[0] = kind.rawValue
                pack(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[1...]))
                count = size + 1
            }
        }
    }

    /// Counts the fields of a message, without decoding them.
    static func hasFewParts(_ bytes: [UInt8]) -> Bool {
        var (at, parts) = (0, 0)
        func varint() -> UInt64? {
            var (value, shift) = (UInt64(0), UInt64(0))
            while at < bytes.count, shift < 64 {
                defer { at += 1 }
                value |= UInt64(bytes[at] & 0x7f) << shift
                if bytes[at] < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        while at < bytes.count {
            parts += 1
            guard parts <= maxParts, let key = varint() else { return false }
            switch key & 7 {
            case 0: guard varint() != nil else { return false }
            case 1: at += 8
            case 2:
                guard let count = varint(), count <= UInt64(bytes.count - at) else { return false }
                at += Int(count)
            case 5: at += 4
            default: return false
            }
        }
        return at == bytes.count
    }

    /// Sends held bytes as an event of Execute, with their position.
    static func send(_ held: ByteBuffer, endingAt offset: UInt64, on call: ServerCall) {
        guard let letter = held.getInteger(at: held.readerIndex, as: UInt8.self),
            let body = held.getSlice(at: held.readerIndex + 1, length: held.readableBytes - 1)
        else { preconditionFailure("an event without its kind") }
        let field: UInt64 =
            switch letter {
            case ContextControl.Kind.display.rawValue: 5
            case ContextControl.Kind.failure.rawValue: 6
            default: 7
            }
        var position: [UInt8] = [1 << 3]
        append(offset + UInt64(held.readableBytes), to: &position)
        var head: [UInt8] = []
        append(field << 3 | 2, to: &head)
        append(UInt64(position.count + body.readableBytes), to: &head)
        head += position
        call.send(headSize: head.count, { $0.copyBytes(from: head) }, tail: body)
    }

    private static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var value = value
        while value > 0x7f {
            bytes.append(UInt8(value & 0x7f) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(value))
    }
}

extension OutputStream {
    /// The field of a request with the caller's position in this stream.
    var positionField: String {
        switch self {
        case .stdout: "stdout_offset"
        case .stderr: "stderr_offset"
        case .events: "events_position"
        }
    }
}
