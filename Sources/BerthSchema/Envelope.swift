// SPDX-License-Identifier: Apache-2.0

package import CBerthProtobufC
package import CBerthSchema

/// ttrpc.Request, which begins a call.
public struct Request: Message, Bridged {
    public var service: String
    public var method: String
    public var payload: [UInt8]
    /// Time left for the call, in nanoseconds; 0: no time-out.
    public var timeoutNanoseconds: Int64
    public var metadata: [KeyValue]

    public init(
        service: String, method: String, payload: [UInt8] = [], timeoutNanoseconds: Int64 = 0, metadata: [KeyValue] = []
    ) {
        self.service = service
        self.method = method
        self.payload = payload
        self.timeoutNanoseconds = timeoutNanoseconds
        self.metadata = metadata
    }

    public static var name: String { "ttrpc.Request" }
    package static func initialize(_ c: UnsafeMutablePointer<Ttrpc__Request>?) { ttrpc__request__init(c) }
    package static func unpack(_ allocator: UnsafeMutablePointer<ProtobufCAllocator>, _ data: Encoded)
        -> UnsafeMutablePointer<Ttrpc__Request>?
    { ttrpc__request__unpack(allocator, data.count, data.baseAddress) }

    package init(_ c: UnsafePointer<Ttrpc__Request>, _ arena: Arena) throws(SchemaError) {
        service = try arena.swift(c.pointee.service, "service")
        method = try arena.swift(c.pointee.method, "method")
        payload = arena.swift(c.pointee.payload)
        timeoutNanoseconds = c.pointee.timeout_nano
        metadata = []
        for index in 0..<c.pointee.n_metadata {
            guard let entry = c.pointee.metadata[index] else { continue }
            metadata.append(
                KeyValue(
                    key: try arena.swift(entry.pointee.key, "metadata key"),
                    value: try arena.swift(entry.pointee.value, "metadata value")))
        }
    }

    package func fill(_ c: UnsafeMutablePointer<Ttrpc__Request>, _ arena: Arena) {
        c.pointee.service = arena.string(service)
        c.pointee.method = arena.string(method)
        c.pointee.payload = arena.bytes(payload)
        c.pointee.timeout_nano = timeoutNanoseconds
        c.pointee.n_metadata = metadata.count
        c.pointee.metadata = arena.list(metadata) { entry in
            let pair = arena.make(ttrpc__key_value__init)
            pair.pointee.key = arena.string(entry.key)
            pair.pointee.value = arena.string(entry.value)
            return pair
        }
    }
}

/// One entry of a call's metadata.
public struct KeyValue: Sendable, Equatable {
    public var key: String
    public var value: String

    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// google.rpc.Status. Of its details, Berth sends and reads only ErrorInfo.
public struct Status: Sendable, Equatable {
    /// gRPC's status code.
    public var code: Int32
    public var message: String
    public var info: ErrorInfo?

    public init(code: Int32, message: String, info: ErrorInfo? = nil) {
        self.code = code
        self.message = message
        self.info = info
    }
}

/// ttrpc.Response, which ends a call.
public struct Response: Message, Bridged {
    /// Nil on success.
    public var status: Status?
    public var payload: [UInt8]

    public init(status: Status? = nil, payload: [UInt8] = []) {
        self.status = status
        self.payload = payload
    }

    public static var name: String { "ttrpc.Response" }
    package static func initialize(_ c: UnsafeMutablePointer<Ttrpc__Response>?) { ttrpc__response__init(c) }
    package static func unpack(_ allocator: UnsafeMutablePointer<ProtobufCAllocator>, _ data: Encoded)
        -> UnsafeMutablePointer<Ttrpc__Response>?
    { ttrpc__response__unpack(allocator, data.count, data.baseAddress) }

    package init(_ c: UnsafePointer<Ttrpc__Response>, _ arena: Arena) throws(SchemaError) {
        if let given = c.pointee.status {
            var status = Status(
                code: given.pointee.code, message: try arena.swift(given.pointee.message, "status message"))
            for index in 0..<given.pointee.n_details where status.info == nil {
                guard let detail = given.pointee.details[index]?.pointee,
                    try arena.swift(detail.type_url, "type URL") == ErrorInfo.typeURL
                else { continue }
                status.info = try ErrorInfo(
                    value: UnsafeRawBufferPointer(start: detail.value.data, count: detail.value.len))
            }
            self.status = status
        } else {
            status = nil
        }
        payload = arena.swift(c.pointee.payload)
    }

    package func fill(_ c: UnsafeMutablePointer<Ttrpc__Response>, _ arena: Arena) {
        if let status {
            let given = arena.make(ttrpc__status__init)
            given.pointee.code = status.code
            given.pointee.message = arena.string(status.message)
            if let info = status.info {
                let detail = arena.make(ttrpc__any__init)
                detail.pointee.type_url = arena.string(ErrorInfo.typeURL)
                detail.pointee.value = arena.bytes(info.value)
                given.pointee.n_details = 1
                given.pointee.details = arena.list([detail]) { $0 }
            }
            c.pointee.status = given
        }
        c.pointee.payload = arena.bytes(payload)
    }
}

/// A message without fields: the answer of calls that return nothing. It also decodes any message whose fields are not
/// needed.
public struct Empty: Message {
    public static var name: String { "an empty message" }
    public init() {}
    /// All fields are unknown here, and ignored.
    public init(decoding bytes: UnsafeRawBufferPointer, arena: Arena) throws(SchemaError) {}
    public func encode<R>(arena: Arena, _ body: (Int, (UnsafeMutableRawBufferPointer) -> Void) -> R) -> R {
        body(0) { _ in }
    }
}
