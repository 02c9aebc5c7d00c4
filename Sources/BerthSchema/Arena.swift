// SPDX-License-Identifier: Apache-2.0

internal import CBerthProtobufC

/// Memory for one message at a time. Everything that a message needs comes from one block and is freed at once, so that
/// decoding and encoding need no malloc per field.
///
/// Each allocation has its size in front of it: so NUL bytes within a string are found, where C would end the string.
/// It is not thread-safe: use one arena per connection or thread.
public final class Arena {
    private static let header = 16
    /// Maximum memory for decoding a message. 4 MiB on the wire can be two million empty strings, which a peer must not
    /// be able to turn into hundreds of megabytes.
    private static let decodingLimit = 64 << 20

    /// The blocks, never empty. The first one is kept. A message that needs more gets more blocks until `reset`, each
    /// at least twice as large as the one before.
    private var blocks: [UnsafeMutableRawBufferPointer]
    private var used = 0
    private var total: Int
    private var depth = 0

    /// - Parameter blockSize: bytes of the block that is kept, which is enough for a common message.
    public init(blockSize: Int = 4096) {
        blocks = [.allocate(byteCount: max(blockSize, 64), alignment: 16)]
        total = max(blockSize, 64)
    }

    deinit {
        for block in blocks { block.deallocate() }
    }

    func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        let needed = (Arena.header + count + 15) & ~15
        var block = blocks[blocks.count - 1]
        if used + needed > block.count {
            block = .allocate(byteCount: max(needed, block.count * 2), alignment: 16)
            blocks.append(block)
            total += block.count
            used = 0
        }
        let base = UnsafeMutableRawBufferPointer(rebasing: block[used..<used + needed])
        used += needed
        base.storeBytes(of: count, as: Int.self)
        guard let address = base.baseAddress else { preconditionFailure("an allocation without an address") }
        return address + Arena.header
    }

    /// The size with which `pointer` was allocated; nil if it is not from this arena.
    func size(of pointer: UnsafeRawPointer) -> Int? {
        let isOurs = blocks.contains { block in
            guard let start = block.baseAddress else { return false }
            return pointer > UnsafeRawPointer(start) && pointer < UnsafeRawPointer(start + block.count)
        }
        return isOurs ? (pointer - Arena.header).load(as: Int.self) : nil
    }

    private func reset() {
        used = 0
        guard blocks.count > 1 else { return }
        for block in blocks.dropFirst() { block.deallocate() }
        blocks.removeSubrange(1...)
        total = blocks[0].count
    }

    /// Runs `body`. When the outermost scope ends, everything that was allocated is freed.
    func scope<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        depth += 1
        defer {
            depth -= 1
            if depth == 0 { reset() }
        }
        return try body()
    }

    /// An allocator for protobuf-c that uses this arena. It is valid while the arena lives.
    var allocator: ProtobufCAllocator {
        ProtobufCAllocator(
            alloc: { data, size in
                guard let data else { return nil }
                let arena = Unmanaged<Arena>.fromOpaque(data).takeUnretainedValue()
                // If this returns nil, protobuf-c reports that the message can't be decoded.
                return arena.total + size <= Arena.decodingLimit ? arena.allocate(size) : nil
            },
            free: { _, _ in },
            allocator_data: Unmanaged.passUnretained(self).toOpaque()
        )
    }
}
