// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import ModelTools

@Suite("What a broken client sends", .timeLimit(.minutes(2)))
struct HostileInputTests {
    private static let samples = [
        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_code","arguments":{"code":"print(\"é𝄞\")","timeout":1.5e0}}}"#,
        #"{"jsonrpc":"2.0","id":"a\u00e9\ud834\udd1e","method":"initialize","params":{"protocolVersion":"2025-03-26"}}"#,
        #"[{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":-7}},[[[{}]]],null,true,0.0]"#,
    ]

    /// One of the samples with some bytes changed, removed, repeated or cut off.
    private func mutated(_ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = Array(Self.samples.randomElement(using: &generator)?.utf8 ?? "".utf8)
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
            let index = bytes.indices.randomElement(using: &generator) ?? 0
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(contentsOf: bytes[index...].prefix(9), at: index)
            case 3: bytes.removeSubrange(index...)
            default: bytes.insert(Array(#"{}[]",:\u"#.utf8).randomElement(using: &generator) ?? 0, at: index)
            }
        }
        return bytes
    }

    @Test("is read or refused, and what is read can be written and read again")
    func mutations() throws {
        var generator = SeededGenerator(seed: UInt64.random(in: 0..<(1 << 53)))
        for round in 0..<20_000 {
            let bytes = mutated(&generator)
            var scanner = IdentityScanner()
            scanner.scan(bytes)
            guard let value = try? JSONParser.parse(bytes) else { continue }
            let again = try? JSONParser.parse(value.line)
            #expect(again == value, "seed \(generator.seed), round \(round): \(String(decoding: bytes, as: UTF8.self))")
            if let incoming = try? Incoming(value), case .request(let request) = incoming {
                var negotiation = Negotiation()
                _ = try? negotiation.version(of: request)
                for tool in Tool.allCases {
                    _ = try? ToolCall(tool, request.params["arguments"]?.object ?? request.params)
                }
            }
        }
    }
}
