// SPDX-License-Identifier: Apache-2.0

import BerthSchema

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Sends standard input to the program: one piece is in flight while the next one is read.
struct Input {
    /// Maximum bytes of one `Input`.
    private static let maxPiece = 256 << 10

    private var held: [UInt8] = []
    /// The offset of the first byte in `held`.
    private var offset: UInt64 = 0
    private var hasEnded = false
    /// The call in flight.
    private var call: UInt32?
    /// Whether the end was sent, or the program takes no more.
    private(set) var isOver = false

    var wantsMore: Bool { !isOver && !hasEnded && held.count < Input.maxPiece }

    /// Reads available input. If reading fails, for example because the terminal is gone, the input has ended.
    mutating func read() {
        let room = Input.maxPiece - held.count
        var result = -1
        held += [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            result = Glibc.read(STDIN_FILENO, buffer.baseAddress, room)
            count = max(0, result)
        }
        if result == 0 || (result < 0 && errno != EAGAIN && errno != EINTR) { hasEnded = true }
    }

    /// Sends the next piece, if there is one and the previous one has been taken.
    mutating func send(_ connection: inout Connection, _ execution: String, lease: String) {
        guard !isOver, call == nil, hasEnded || !held.isEmpty else { return }
        let request = InputRequest(
            lease: lease, execution: execution, offset: offset, data: held, isEnd: hasEnded && held.isEmpty)
        call = connection.call(PoolService.input, request)
        isOver = hasEnded && held.isEmpty
        held = []
    }

    /// Takes an answer. Returns false if it does not belong to an input.
    mutating func takes(_ stream: UInt32, _ answer: UnsafeRawBufferPointer) -> Bool {
        guard stream == call else { return false }
        call = nil
        var payload = 0..<0
        do throws(SchemaError) {
            let head = try ResponseHead(reading: answer, payload: &payload)
            if let status = head.status, status.code != 0 {
                isOver = true
            } else {
                offset = try InputResponse(
                    decoding: UnsafeRawBufferPointer(rebasing: answer[payload]), arena: Arena()
                ).offset
            }
        } catch {
            isOver = true
        }
        return true
    }
}
