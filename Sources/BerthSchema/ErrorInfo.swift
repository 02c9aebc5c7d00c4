// SPDX-License-Identifier: Apache-2.0

extension ErrorReason {
    private static let names: [String: ErrorReason] = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0.protoName, $0) })

    /// Creates a reason from its name in the contract, which is used on the wire; nil if the name is unknown.
    public init?(name: String) {
        guard let reason = ErrorReason.names[name] else { return nil }
        self = reason
    }
}

/// google.rpc.ErrorInfo, a detail of a status.
public struct ErrorInfo: Sendable, Equatable {
    public static let domain = "berth.dev"
    static let typeURL = "type.googleapis.com/google.rpc.ErrorInfo"
    /// Maximum number of metadata entries; more are ignored.
    private static let maxMetadata = 16

    /// The name of an `ErrorReason`, which may be unknown here.
    public var reason: String
    public var metadata: [String: String]

    public init(reason: String, metadata: [String: String] = [:]) {
        self.reason = reason
        self.metadata = metadata
    }

    public init(_ reason: ErrorReason, metadata: [String: String] = [:]) {
        self.init(reason: reason.protoName, metadata: metadata)
    }

    /// Reads a google.protobuf.Any; nil if it holds something else, or has another domain.
    init?(any bytes: UnsafeRawBufferPointer) throws(SchemaError) {
        var reader = FieldReader(bytes, of: "google.protobuf.Any")
        var url = ""
        var value = 0..<0
        while let field = try reader.next() {
            switch field {
            case .bytes(1, let range): url = try reader.text(range, "type URL")
            case .bytes(2, let range): value = range
            default: try reader.requireUnknown(field, above: 2)
            }
        }
        guard url == ErrorInfo.typeURL else { return nil }
        try self.init(value: UnsafeRawBufferPointer(rebasing: bytes[value]))
    }

    /// Reads a google.rpc.ErrorInfo; nil if it has another domain.
    init?(value bytes: UnsafeRawBufferPointer) throws(SchemaError) {
        self.init(reason: "")
        var reader = FieldReader(bytes, of: "google.rpc.ErrorInfo")
        var domain = ""
        while let field = try reader.next() {
            switch field {
            case .bytes(1, let range): reason = try reader.text(range, "reason")
            case .bytes(2, let range): domain = try reader.text(range, "domain")
            case .bytes(3, let range):
                guard metadata.count < ErrorInfo.maxMetadata else { continue }
                // An entry of a map has the fields of a KeyValue.
                let entry = try KeyValue(reading: UnsafeRawBufferPointer(rebasing: bytes[range]))
                metadata[entry.key] = entry.value
            default: try reader.requireUnknown(field, above: 3)
            }
        }
        guard domain == ErrorInfo.domain else { return nil }
    }

    private var entries: [KeyValue] {
        metadata.sorted { $0.key < $1.key }.map { KeyValue(key: $0.key, value: $0.value) }
    }

    private func valueSize(_ entries: [KeyValue]) -> Int {
        entries.reduce(FieldWriter.size(ofText: reason) + FieldWriter.size(ofText: ErrorInfo.domain)) {
            $0 + FieldWriter.size(ofField: $1.size)
        }
    }

    /// The size of the google.protobuf.Any that holds it, in bytes.
    var size: Int {
        FieldWriter.size(ofText: ErrorInfo.typeURL) + FieldWriter.size(ofField: valueSize(entries))
    }

    /// Writes the google.protobuf.Any, which has `size` bytes.
    func write(_ writer: inout FieldWriter) {
        let entries = entries
        writer.text(1, ErrorInfo.typeURL)
        writer.lengthPrefix(2, valueSize(entries))
        write(entries, &writer)
    }

    /// The encoded google.rpc.ErrorInfo.
    var value: [UInt8] {
        let entries = entries
        var bytes = [UInt8](repeating: 0, count: valueSize(entries))
        bytes.withUnsafeMutableBytes { raw in
            var writer = FieldWriter(raw)
            write(entries, &writer)
        }
        return bytes
    }

    private func write(_ entries: [KeyValue], _ writer: inout FieldWriter) {
        writer.text(1, reason)
        writer.text(2, ErrorInfo.domain)
        for entry in entries {
            writer.lengthPrefix(3, entry.size)
            writer.text(1, entry.key)
            writer.text(2, entry.value)
        }
    }
}
