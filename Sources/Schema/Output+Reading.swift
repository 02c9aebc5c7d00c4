extension Output {
    /// Reads an event that is one Output, in its field 2, and nothing else: where it lies, since protobuf-c would copy the
    /// data twice. Nil for every other event, and for bytes that are none: what those are is for protobuf-c to say.
    init?(event bytes: UnsafeRawBufferPointer) {
        do throws(SchemaError) {
            var event = FieldReader(bytes, of: "event")
            guard case .bytes(2, let range)? = try event.next(), range.upperBound == bytes.count else { return nil }
            let inner = UnsafeRawBufferPointer(rebasing: bytes[range])
            self.init()
            var reader = FieldReader(inner, of: "berth.v1.Output")
            while let field = try reader.next() {
                switch field {
                case .varint(1, let value):
                    stream = OutputStream(rawValue: UInt32(truncatingIfNeeded: value)) ?? .stdout
                case .varint(2, let value): offset = value
                case .bytes(3, let range): data = [UInt8](UnsafeRawBufferPointer(rebasing: inner[range]))
                default: return nil
                }
            }
        } catch {
            return nil
        }
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
