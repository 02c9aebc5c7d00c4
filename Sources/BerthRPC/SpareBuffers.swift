// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix

/// Buffers to reuse after they were written, shared by all connections of an event loop, since only few of thousands write
/// at the same time. Each instance belongs to one thread, and is used on it alone.
final class SpareBuffers: @unchecked Sendable {
    private static let most = 8
    private static let largest = 64 << 10
    private static let current = ThreadSpecificVariable<SpareBuffers>()

    /// The instance of this thread, which is an event loop's.
    static var ofThisThread: SpareBuffers {
        if let spares = current.currentValue { return spares }
        let spares = SpareBuffers()
        current.currentValue = spares
        return spares
    }

    private var buffers: [ByteBuffer] = []

    func take() -> ByteBuffer? { buffers.popLast() }

    /// Takes back a buffer that has no other references.
    func give(_ buffer: inout ByteBuffer) {
        guard buffer.capacity > 0, buffer.capacity <= SpareBuffers.largest, buffers.count < SpareBuffers.most else {
            return
        }
        buffer.clear()
        buffers.append(buffer)
    }
}
