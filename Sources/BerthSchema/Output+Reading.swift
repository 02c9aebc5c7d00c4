// SPDX-License-Identifier: Apache-2.0

extension Output {
    /// Reads an event that consists of one Output; nil for all other events.
    init?(event bytes: UnsafeRawBufferPointer) {
        var range = 0..<0
        guard let head = OutputHead(reading: bytes, data: &range) else { return nil }
        self.init(
            stream: OutputStream(rawValue: head.stream) ?? .stdout, offset: head.offset,
            data: [UInt8](UnsafeRawBufferPointer(rebasing: bytes[range])))
    }
}

extension ExecuteEvent {
    public init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        if let output = Output(event: bytes) {
            self = .output(output)
        } else {
            self = try ExecuteEvent(unpacking: bytes, arena: arena)
        }
    }
}

extension FileEvent {
    public init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        if let output = Output(event: bytes) {
            self = .output(output)
        } else {
            self = try FileEvent(unpacking: bytes, arena: arena)
        }
    }
}
