// SPDX-License-Identifier: Apache-2.0

internal import BerthWire
internal import Glibc

/// Bytes from the server that are not complete frames yet. It grows to the size of the incomplete frame, at most 4 MiB, and
/// shrinks again after it.
final class ReceiveBuffer {
    private static let standardSize = 16 << 10

    private var block = UnsafeMutableRawBufferPointer.allocate(byteCount: standardSize, alignment: 16)
    private var start = 0
    private var end = 0
    private var decoder = FrameDecoder()

    deinit { block.deallocate() }

    enum Input {
        case frame(FrameHeader, UnsafeRawBufferPointer)
        case oversized(FrameHeader)
        case needMore
    }

    /// The next frame. Its data is valid until the next call of any function here.
    func next() -> Input {
        while true {
            switch decoder.next(UnsafeRawBufferPointer(rebasing: block[start..<end])) {
            case .needMore(let total):
                makeRoom(total)
                return .needMore
            case .frame(let header, let data):
                let content = UnsafeRawBufferPointer(rebasing: block[start + data.lowerBound..<start + data.upperBound])
                start += data.upperBound
                return .frame(header, content)
            case .oversized(let header, let count):
                start += count
                return .oversized(header)
            case .skip(let count):
                start += count
            }
        }
    }

    /// Makes room for `total` bytes from `start` on.
    private func makeRoom(_ total: Int) {
        let size = max(total, ReceiveBuffer.standardSize)
        guard size != block.count || start > 0 else { return }
        let rest = UnsafeRawBufferPointer(rebasing: block[start..<end])
        if size > block.count || (size < block.count && rest.count <= size) {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
            larger.copyMemory(from: rest)
            block.deallocate()
            block = larger
        } else if let base = block.baseAddress, let source = rest.baseAddress {
            memmove(base, source, rest.count)
        }
        end = rest.count
        start = 0
    }

    /// Reads once. `next` must have returned `needMore`.
    /// - Returns: the result of `read`: number of bytes, 0 at the end, or -1 with `errno`.
    func fill(from descriptor: Int32) -> Int {
        guard let base = block.baseAddress else { return 0 }
        let count = read(descriptor, base + end, block.count - end)
        if count > 0 { end += count }
        return count
    }
}
