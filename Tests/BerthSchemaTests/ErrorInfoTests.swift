// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import Testing

@Suite("The finer kinds of errors")
struct ErrorInfoTests {
    @Test("every reason has the name that the contract gives it, and is found by it")
    func names() {
        #expect(ErrorReason.isADirectory.protoName == "IS_A_DIRECTORY")
        for reason in ErrorReason.allCases { #expect(ErrorReason(name: reason.protoName) == reason) }
        #expect(ErrorReason(name: "OF_A_LATER_VERSION") == nil)
    }

    @Test("what is written by hand is what protobuf-c reads, and the other way round")
    func bothWays() throws {
        for info in [ErrorInfo(.memoryLimit), ErrorInfo(.breakerOpen, metadata: ["retry_after_ms": "7", "ü": ""])] {
            let status = Status(code: 8, message: "no", info: info)
            let encoded = Response(status: status).encoded()
            #expect(try Response(decoding: encoded).status == status)
            var payload = 0..<0
            let head = try encoded.withUnsafeBytes { bytes in
                Result { () throws(SchemaError) in try ResponseHead(reading: bytes, payload: &payload) }
            }.get()
            #expect(head.status == status)
            var written = [UInt8](repeating: 0, count: head.size(payloadSize: 0))
            written.withUnsafeMutableBytes { head.write(payloadSize: 0, into: $0) { _ in } }
            #expect(try Response(decoding: written).status == status)
        }
    }
}
