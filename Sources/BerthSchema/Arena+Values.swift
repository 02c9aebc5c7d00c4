// SPDX-License-Identifier: Apache-2.0

package import CBerthProtobufC

// Conversions of single fields between Swift and protobuf-c, for generated code.

// MARK: Swift to C

extension Arena {
    package func make<C>(_ initialize: (UnsafeMutablePointer<C>?) -> Void) -> UnsafeMutablePointer<C> {
        let pointer = allocate(MemoryLayout<C>.size).bindMemory(to: C.self, capacity: 1)
        initialize(pointer)
        return pointer
    }

    package func string(_ value: String) -> UnsafeMutablePointer<CChar> {
        var value = value
        return value.withUTF8 { utf8 in
            let raw = allocate(utf8.count + 1)
            if let base = utf8.baseAddress { raw.copyMemory(from: base, byteCount: utf8.count) }
            raw.storeBytes(of: 0, toByteOffset: utf8.count, as: UInt8.self)
            return raw.bindMemory(to: CChar.self, capacity: utf8.count + 1)
        }
    }

    package func bytes(_ value: [UInt8]) -> ProtobufCBinaryData {
        value.withUnsafeBufferPointer { copy($0) }
    }

    package func bytes(_ value: SystemString) -> ProtobufCBinaryData {
        value.withBytes { copy($0) }
    }

    private func copy(_ source: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
        guard let base = source.baseAddress, !source.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
        let pointer = allocate(source.count).bindMemory(to: UInt8.self, capacity: source.count)
        pointer.update(from: base, count: source.count)
        return ProtobufCBinaryData(len: source.count, data: pointer)
    }

    /// A list of the results of `make` for each value.
    package func list<V: Collection, T>(_ values: V, _ make: (V.Element) -> T) -> UnsafeMutablePointer<T?>? {
        fill(values.count, values) { make($0) }
    }

    /// A list of bytes, each element with its length, as protobuf-c needs it.
    package func byteList(_ values: [[UInt8]]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
        fill(values.count, values, bytes)
    }

    package func byteList(_ values: [SystemString]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
        fill(values.count, values, bytes)
    }

    private func fill<V: Sequence, T>(
        _ count: Int, _ values: V, _ make: (V.Element) -> T
    ) -> UnsafeMutablePointer<T>? {
        guard count > 0 else { return nil }
        let pointer = allocate(count * MemoryLayout<T>.stride).bindMemory(to: T.self, capacity: count)
        var next = pointer
        for value in values {
            next.initialize(to: make(value))
            next += 1
        }
        return pointer
    }
}

// MARK: C to Swift

extension Arena {
    /// - Throws: `SchemaError` if the text holds a NUL or is not UTF-8.
    package func swift(_ pointer: UnsafePointer<CChar>?, _ field: StaticString) throws(SchemaError) -> String {
        guard let pointer, let size = size(of: pointer), size > 1 else { return "" }
        return try String(UnsafeRawBufferPointer(start: pointer, count: size - 1), field: field)
    }

    package func swift(
        _ list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, count: Int, _ field: StaticString
    ) throws(SchemaError) -> [String] {
        guard let list else { return [] }
        return try gather(count) { index throws(SchemaError) in try swift(list[index], field) }
    }

    package func swift(_ data: ProtobufCBinaryData) -> [UInt8] {
        guard let pointer = data.data, data.len > 0 else { return [] }
        return [UInt8](UnsafeBufferPointer(start: pointer, count: data.len))
    }

    package func swift(_ list: UnsafeMutablePointer<ProtobufCBinaryData>?, count: Int) -> [[UInt8]] {
        guard let list, count > 0 else { return [] }
        return (0..<count).map { swift(list[$0]) }
    }

    /// - Throws: `SchemaError` if it holds a NUL.
    package func swift(_ data: ProtobufCBinaryData, _ field: StaticString) throws(SchemaError) -> SystemString {
        try SystemString(UnsafeRawBufferPointer(start: data.data, count: data.len), field: field)
    }

    package func swift(
        _ list: UnsafeMutablePointer<ProtobufCBinaryData>?, count: Int, _ field: StaticString
    ) throws(SchemaError) -> [SystemString] {
        guard let list else { return [] }
        return try gather(count) { index throws(SchemaError) in try swift(list[index], field) }
    }

    /// The value of a text field and its counterpart in bytes, which wins if it is set.
    package func swift(
        _ text: UnsafePointer<CChar>?, _ field: StaticString, bytes: ProtobufCBinaryData, _ bytesField: StaticString
    ) throws(SchemaError) -> SystemString {
        let text = SystemString(try swift(text, field))
        return bytes.len > 0 ? try swift(bytes, bytesField) : text
    }

    package func swift(
        _ texts: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, count: Int, _ field: StaticString,
        bytes: UnsafeMutablePointer<ProtobufCBinaryData>?, count bytesCount: Int, _ bytesField: StaticString
    ) throws(SchemaError) -> [SystemString] {
        guard bytesCount == 0 else { return try swift(bytes, count: bytesCount, bytesField) }
        guard let texts else { return [] }
        return try gather(count) { index throws(SchemaError) in SystemString(try swift(texts[index], field)) }
    }

    package func message<M: Bridged>(_ c: UnsafeMutablePointer<M.C>?) throws(SchemaError) -> M? {
        guard let c else { return nil }
        return try M(c, self)
    }

    package func messages<M: Bridged>(
        _ list: UnsafeMutablePointer<UnsafeMutablePointer<M.C>?>?, count: Int
    ) throws(SchemaError) -> [M] {
        guard let list else { return [] }
        var messages: [M] = []
        messages.reserveCapacity(count)
        for index in 0..<count {
            if let message: M = try message(list[index]) { messages.append(message) }
        }
        return messages
    }

    private func gather<T>(_ count: Int, _ value: (Int) throws(SchemaError) -> T) throws(SchemaError) -> [T] {
        var values: [T] = []
        values.reserveCapacity(count)
        for index in 0..<count { values.append(try value(index)) }
        return values
    }
}
