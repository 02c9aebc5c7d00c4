extension ExecuteEvent {
    /// Output, which is nearly all that a stream carries, is read where it lies, and copied once: protobuf-c would copy it to
    /// the arena first. All else is protobuf-c's work.
    public init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {
        if let output = Output(onlyFieldOf: bytes) {
            self = .output(output)
        } else {
            self = try Self.unpack(bytes, arena)
        }
    }
}

extension Output {
    /// Reads an event that is an output and nothing else; nil for all others, which may be valid too.
    fileprivate init?(onlyFieldOf event: UnsafeRawBufferPointer) {
        self.init()
        do throws(SchemaError) {
            var outer = FieldReader(event, of: "berth.v1.ExecuteEvent")
            guard case .bytes(2, let range) = try outer.next(), range.upperBound == event.count else { return nil }
            let bytes = UnsafeRawBufferPointer(rebasing: event[range])
            var inner = FieldReader(bytes, of: "berth.v1.Output")
            while let field = try inner.next() {
                switch field {
                case .varint(1, 0): stream = .stdout
                case .varint(1, 1): stream = .stderr
                case .varint(2, let value): offset = value
                case .bytes(3, let range): data = Array(bytes[range])
                default: return nil
                }
            }
        } catch {
            return nil
        }
    }
}
