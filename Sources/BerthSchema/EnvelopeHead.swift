// SPDX-License-Identifier: Apache-2.0

/// A ttrpc.Request that is read in place: its payload stays where it is. The envelope of each call is read and written
/// by hand, since protobuf-c would copy each payload twice; the payload itself is decoded by protobuf-c.
public struct RequestHead: Sendable, Equatable {
    /// Maximum number of metadata entries: each needs far more memory than its two bytes on the wire.
    public static let maxMetadata = 256

    public var service: String
    public var method: String
    /// Time left for the call, in nanoseconds; 0: no time-out.
    public var timeoutNanoseconds: Int64
    public var metadata: [KeyValue]

    public init(service: String, method: String, timeoutNanoseconds: Int64 = 0, metadata: [KeyValue] = []) {
        self.service = service
        self.method = method
        self.timeoutNanoseconds = timeoutNanoseconds
        self.metadata = metadata
    }

    /// - Parameter payload: set to where the payload is in `bytes`.
    /// - Throws: `SchemaError` if `bytes` are not a valid ttrpc.Request.
    public init(reading bytes: UnsafeRawBufferPointer, payload: inout Range<Int>) throws(SchemaError) {
        self.init(service: "", method: "")
        payload = 0..<0
        var reader = FieldReader(bytes, of: "ttrpc.Request")
        while let field = try reader.next() {
            switch field {
            case .bytes(1, let range): service = try reader.text(range, "service")
            case .bytes(2, let range): method = try reader.text(range, "method")
            case .bytes(3, let range): payload = range
            case .varint(4, let value): timeoutNanoseconds = Int64(bitPattern: value)
            case .bytes(5, let range):
                guard metadata.count < RequestHead.maxMetadata else {
                    throw SchemaError("more than \(RequestHead.maxMetadata) entries of metadata")
                }
                metadata.append(try KeyValue(reading: UnsafeRawBufferPointer(rebasing: bytes[range])))
            default: try reader.requireUnknown(field, above: 5)
            }
        }
    }

    /// Bytes of the whole envelope around a payload of `payloadSize` bytes.
    public func size(payloadSize: Int) -> Int {
        var size = FieldWriter.size(ofText: service) + FieldWriter.size(ofText: method)
        if payloadSize > 0 { size += FieldWriter.size(ofField: payloadSize) }
        if timeoutNanoseconds != 0 { size += 1 + FieldWriter.size(ofVarint: UInt64(bitPattern: timeoutNanoseconds)) }
        for entry in metadata { size += FieldWriter.size(ofField: entry.size) }
        return size
    }

    /// Writes the envelope, which has `size(payloadSize:)` bytes. `pack` writes the payload into its place.
    public func write(
        payloadSize: Int, into bytes: UnsafeMutableRawBufferPointer, _ pack: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        var writer = FieldWriter(bytes)
        writer.text(1, service)
        writer.text(2, method)
        writer.bytes(3, payloadSize, pack)
        if timeoutNanoseconds != 0 { writer.varint(4, UInt64(bitPattern: timeoutNanoseconds)) }
        for entry in metadata {
            writer.lengthPrefix(5, entry.size)
            writer.text(1, entry.key)
            writer.text(2, entry.value)
        }
    }
}

/// A ttrpc.Response that is read in place.
public struct ResponseHead: Sendable, Equatable {
    /// Nil, or code 0, on success.
    public var status: Status?

    public init(status: Status? = nil) {
        self.status = status
    }

    /// - Parameter payload: set to where the payload is in `bytes`.
    /// - Throws: `SchemaError` if `bytes` are not a valid ttrpc.Response.
    public init(reading bytes: UnsafeRawBufferPointer, payload: inout Range<Int>) throws(SchemaError) {
        self.init()
        payload = 0..<0
        var reader = FieldReader(bytes, of: "ttrpc.Response")
        while let field = try reader.next() {
            switch field {
            case .bytes(1, let range):
                var merged = status ?? Status(code: 0, message: "")
                try merged.merge(reading: UnsafeRawBufferPointer(rebasing: bytes[range]))
                status = merged
            case .bytes(2, let range): payload = range
            default: try reader.requireUnknown(field, above: 2)
            }
        }
    }

    /// Bytes of the whole envelope around a payload of `payloadSize` bytes.
    public func size(payloadSize: Int) -> Int {
        (status.map { FieldWriter.size(ofField: $0.size) } ?? 0)
            + (payloadSize > 0 ? FieldWriter.size(ofField: payloadSize) : 0)
    }

    /// Writes the envelope, which has `size(payloadSize:)` bytes. `pack` writes the payload into its place.
    public func write(
        payloadSize: Int, into bytes: UnsafeMutableRawBufferPointer, _ pack: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        var writer = FieldWriter(bytes)
        if let status {
            writer.lengthPrefix(1, status.size)
            if status.code != 0 { writer.varint(1, UInt64(bitPattern: Int64(status.code))) }
            writer.text(2, status.message)
            if let info = status.info {
                writer.lengthPrefix(3, info.size)
                info.write(&writer)
            }
        }
        writer.bytes(2, payloadSize, pack)
    }
}

extension KeyValue {
    init(reading bytes: UnsafeRawBufferPointer) throws(SchemaError) {
        self.init(key: "", value: "")
        var reader = FieldReader(bytes, of: "ttrpc.KeyValue")
        while let field = try reader.next() {
            switch field {
            case .bytes(1, let range): key = try reader.text(range, "metadata key")
            case .bytes(2, let range): value = try reader.text(range, "metadata value")
            default: try reader.requireUnknown(field, above: 2)
            }
        }
    }

    var size: Int { FieldWriter.size(ofText: key) + FieldWriter.size(ofText: value) }
}

extension Status {
    /// Merges a message that arrives in several pieces, as protobuf requires.
    fileprivate mutating func merge(reading bytes: UnsafeRawBufferPointer) throws(SchemaError) {
        var reader = FieldReader(bytes, of: "ttrpc.Status")
        while let field = try reader.next() {
            switch field {
            case .varint(1, let value): code = Int32(truncatingIfNeeded: value)
            case .bytes(2, let range): message = try reader.text(range, "status message")
            case .bytes(3, let range) where info == nil:
                info = try ErrorInfo(any: UnsafeRawBufferPointer(rebasing: bytes[range]))
            default: try reader.requireUnknown(field, above: 2)
            }
        }
    }

    fileprivate var size: Int {
        (code == 0 ? 0 : 1 + FieldWriter.size(ofVarint: UInt64(bitPattern: Int64(code))))
            + FieldWriter.size(ofText: message) + (info.map { FieldWriter.size(ofField: $0.size) } ?? 0)
    }
}
