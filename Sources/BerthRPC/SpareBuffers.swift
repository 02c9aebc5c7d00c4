// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix

/// Buffers that were written, for the next that is to be: shared by all connections of an event loop, since of thousands
/// only few write at a time. Each is of one thread, and used on it alone.
final class SpareBuffers: @unchecked Sendable {
    private static let most = 8
    private static let largest = 64 << 10
    private static let current = ThreadSpecificVariable<SpareBuffers>()

    /// The event loop's, which is this thread.
    static var ofThisThread: SpareBuffers {
        if let spares = current.currentValue { return spares }
        let spares = SpareBuffers()
        current.currentValue = spares
        return spares
    }

    private var buffers: [ByteBuffer] = []

    func take() -> ByteBuffer? { buffers.popLast() }

    /// Takes a buffer that nobody else has any more.
    func give(_ buffer: inout ByteBuffer) {
        guard buffer.capacity > 0, buffer.capacity <= SpareBuffers.largest, buffers.count < SpareBuffers.most else {
            return
        }
        buffer.clear()
        buffers.append(buffer)
    }
}
