// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import Testing
import TestSupport

/// A server that gets input that no client would send. It must survive, and serve the next client.
@Suite struct FuzzTests {
    @Test("no input but a closed socket ends a connection, and none the server")
    func mutatedStreams() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("FuzzTests.mutatedStreams: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let vectors = Vector.load("rules.txt") + Vector.load("recorded.txt")
        let corpus = vectors.flatMap(\.clientFrames).filter { $0.count < 200 }
        let methods = ["Hello", "Silent", "SilentStream", "Release", "Count", "Boom", "Nothing", "LargeMessage"]
        try await withServer { _, port, _ in
            for round in 0..<150 {
                let client = try RawClient(port: port)
                var stream: [UInt8] = []
                for _ in 0..<Int.random(in: 1...40, using: &random) {
                    var bytes =
                        Bool.random(using: &random)
                        ? corpus[Int.random(in: 0..<corpus.count, using: &random)]
                        : frame(
                            UInt8.random(in: 0...4, using: &random), UInt8.random(in: 0...7, using: &random),
                            id: .random(in: 0...9, using: &random),
                            requestBody(
                                methods.randomElement(using: &random) ?? "",
                                timeout: Int64.random(in: -1...3, using: &random) * 1_000_000))
                    // Mutations of a header's length end the framing, so they come last.
                    if Int.random(in: 0...3, using: &random) == 0 {
                        let place = Int.random(in: min(4, bytes.count - 1)..<bytes.count, using: &random)
                        bytes[place] = .random(in: 0...255, using: &random)
                    }
                    stream += bytes
                }
                if Bool.random(using: &random) {
                    stream += (0..<Int.random(in: 0...50, using: &random)).map { _ in
                        .random(in: 0...255, using: &random)
                    }
                }
                // A server that has closed would refuse the second half.
                let middle = stream.count / 2
                try client.send(Array(stream[..<middle]))
                try client.send(Array(stream[middle...]))
                if round % 10 == 0 { try RawClient(port: port).sayHello() }
            }
            try RawClient(port: port).sayHello()
        }
    }
}
