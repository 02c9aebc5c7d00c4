internal import CProtobufC
internal import CSchema

/// Memory for one message at a time: everything a message needs is cut from one block and given back at once, so that
/// decoding and encoding cost no malloc per field.
///
/// Each piece carries its size in front of it; that is how a string's NUL bytes are found (C would end the string there).
/// Not thread-safe: one arena per connection or thread.
public final class Arena {
    private static let header = 16
    /// Memory that a message may take while it is decoded. 4 MiB on the wire can be two million empty strings, which
    /// a peer must not be able to turn into hundreds of megabytes here.
    private static let decodingLimit = 64 << 20

    /// Never empty. The first block is kept for good; a message that needs more gets more, each twice as large as the one
    /// before, until `reset`.
    private var blocks: [UnsafeMutableRawBufferPointer]
    private var used = 0
    private var total: Int
    private var depth = 0

    /// - Parameter blockSize: bytes kept for good; enough for the common message.
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

    /// The size asked for when `pointer` was allocated here; nil if it is not from this arena.
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

    /// Runs `body`; when the outermost scope ends, all that was allocated is given back.
    func scope<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        depth += 1
        defer {
            depth -= 1
            if depth == 0 { reset() }
        }
        return try body()
    }

    /// An allocator for protobuf-c that draws from this arena; valid while the arena lives.
    var allocator: ProtobufCAllocator {
        ProtobufCAllocator(
            alloc: { data, size in
                guard let data else { return nil }
                let arena = Unmanaged<Arena>.fromOpaque(data).takeUnretainedValue()
                // Without memory, protobuf-c says that the message cannot be decoded.
                return arena.total + size <= Arena.decodingLimit ? arena.allocate(size) : nil
            },
            free: { _, _ in },
            allocator_data: Unmanaged.passUnretained(self).toOpaque()
        )
    }

    // MARK: Swift values to C

    func make<C>(_ initialize: (UnsafeMutablePointer<C>?) -> Void) -> UnsafeMutablePointer<C> {
        let pointer = allocate(MemoryLayout<C>.size).bindMemory(to: C.self, capacity: 1)
        initialize(pointer)
        return pointer
    }

    func string(_ value: String) -> UnsafeMutablePointer<CChar> {
        var value = value
        return value.withUTF8 { utf8 in
            let raw = allocate(utf8.count + 1)
            if let base = utf8.baseAddress { raw.copyMemory(from: base, byteCount: utf8.count) }
            raw.storeBytes(of: 0, toByteOffset: utf8.count, as: UInt8.self)
            return raw.bindMemory(to: CChar.self, capacity: utf8.count + 1)
        }
    }

    func bytes(_ value: [UInt8]) -> ProtobufCBinaryData {
        guard !value.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
        let pointer = allocate(value.count).bindMemory(to: UInt8.self, capacity: value.count)
        value.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { pointer.update(from: base, count: value.count) }
        }
        return ProtobufCBinaryData(len: value.count, data: pointer)
    }

    func list<T>(_ values: [T]) -> UnsafeMutablePointer<T?>? {
        guard !values.isEmpty else { return nil }
        let pointer = allocate(values.count * MemoryLayout<T?>.stride)
            .bindMemory(to: T?.self, capacity: values.count)
        for (index, value) in values.enumerated() { (pointer + index).initialize(to: value) }
        return pointer
    }

    /// A list of bytes, each with its length, as protobuf-c wants them.
    func byteList(_ values: [[UInt8]]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
        guard !values.isEmpty else { return nil }
        let pointer = allocate(values.count * MemoryLayout<ProtobufCBinaryData>.stride)
            .bindMemory(to: ProtobufCBinaryData.self, capacity: values.count)
        for (index, value) in values.enumerated() { (pointer + index).initialize(to: bytes(value)) }
        return pointer
    }

    func bytes(_ value: SystemString) -> ProtobufCBinaryData {
        value.withBytes { source in
            guard let base = source.baseAddress, !source.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
            let pointer = allocate(source.count).bindMemory(to: UInt8.self, capacity: source.count)
            pointer.update(from: base, count: source.count)
            return ProtobufCBinaryData(len: source.count, data: pointer)
        }
    }

    func byteList(_ values: [SystemString]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
        guard !values.isEmpty else { return nil }
        let pointer = allocate(values.count * MemoryLayout<ProtobufCBinaryData>.stride)
            .bindMemory(to: ProtobufCBinaryData.self, capacity: values.count)
        for (index, value) in values.enumerated() { (pointer + index).initialize(to: bytes(value)) }
        return pointer
    }

    /// A list of what `make` makes of each value.
    func list<V, T>(_ values: [V], _ make: (V) -> T) -> UnsafeMutablePointer<T?>? {
        guard !values.isEmpty else { return nil }
        let pointer = allocate(values.count * MemoryLayout<T?>.stride)
            .bindMemory(to: T?.self, capacity: values.count)
        for (index, value) in values.enumerated() { (pointer + index).initialize(to: make(value)) }
        return pointer
    }

    // MARK: C to Swift values

    /// - Throws: `SchemaError` when the text holds a NUL or is not UTF-8.
    func swift(_ pointer: UnsafePointer<CChar>?, _ field: StaticString) throws(SchemaError) -> String {
        guard let pointer, let size = size(of: pointer), size > 1 else { return "" }
        return try String(UnsafeRawBufferPointer(start: pointer, count: size - 1), field: field)
    }

    func swift(
        _ list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, count: Int, _ field: StaticString
    ) throws(SchemaError) -> [String] {
        guard let list, count > 0 else { return [] }
        var values: [String] = []
        values.reserveCapacity(count)
        for index in 0..<count { values.append(try swift(list[index], field)) }
        return values
    }

    func swift(_ data: ProtobufCBinaryData) -> [UInt8] {
        guard let pointer = data.data, data.len > 0 else { return [] }
        return [UInt8](UnsafeBufferPointer(start: pointer, count: data.len))
    }

    func swift(_ list: UnsafeMutablePointer<ProtobufCBinaryData>?, count: Int) -> [[UInt8]] {
        guard let list, count > 0 else { return [] }
        return (0..<count).map { swift(list[$0]) }
    }

    /// - Throws: `SchemaError` when it holds a NUL.
    func swift(_ data: ProtobufCBinaryData, _ field: StaticString) throws(SchemaError) -> SystemString {
        try SystemString(UnsafeRawBufferPointer(start: data.data, count: data.len), field: field)
    }

    func swift(
        _ list: UnsafeMutablePointer<ProtobufCBinaryData>?, count: Int, _ field: StaticString
    ) throws(SchemaError) -> [SystemString] {
        guard let list, count > 0 else { return [] }
        var values: [SystemString] = []
        values.reserveCapacity(count)
        for index in 0..<count { values.append(try swift(list[index], field)) }
        return values
    }
}
