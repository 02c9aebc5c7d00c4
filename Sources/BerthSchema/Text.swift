// SPDX-License-Identifier: Apache-2.0

extension String {
    /// Creates a string from the bytes of a field.
    /// - Throws: `SchemaError` if it holds a NUL or is not UTF-8.
    init(_ utf8: UnsafeRawBufferPointer, field: StaticString) throws(SchemaError) {
        var seen: UInt8 = 0
        for byte in utf8 {
            guard byte != 0 else { throw SchemaError("\(field) holds a NUL byte") }
            seen |= byte
        }
        guard seen >= 0x80 else {
            // ASCII needs no validation. This is the common case: each call has two names in ASCII.
            self.init(unsafeUninitializedCapacity: utf8.count) { room in
                UnsafeMutableRawBufferPointer(room).copyMemory(from: utf8)
                return utf8.count
            }
            return
        }
        guard let text = String(validating: utf8, as: UTF8.self) else {
            throw SchemaError("\(field) is not valid UTF-8")
        }
        self = text
    }
}
