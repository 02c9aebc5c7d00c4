// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Testing
import TestSupport

/// The envelope is read and written by hand, and must agree with protobuf-c, which reads and writes everything else.
@Suite struct EnvelopeTests {
    @Test("the recorded requests are read, and written again byte for byte")
    func recordedRequests() throws {
        var count = 0
        for vector in Vector.load("recorded.txt") {
            for frame in vector.clientFrames where frame[8] == 1 && frame[9] != 2 {
                let bytes = Array(frame[10...])
                let (head, payload) = try readRequest(bytes)
                #expect(head.service == "demo.v1.Exec")
                #expect(write(head, payload) == bytes, "\(vector)")
                #expect(try Request(decoding: bytes) == request(head, payload))
                count += 1
            }
        }
        #expect(count == 2)
    }

    @Test("the recorded responses are read, and written again byte for byte")
    func recordedResponses() throws {
        var statuses: [Status?] = []
        for vector in Vector.load("recorded.txt") {
            for frame in vector.serverFrames where frame[8] == 2 {
                let bytes = Array(frame[10...])
                let (head, payload) = try readResponse(bytes)
                #expect(write(head, payload) == bytes, "\(vector)")
                #expect(try Response(decoding: bytes) == Response(status: head.status, payload: payload))
                statuses.append(head.status)
            }
        }
        #expect(
            statuses == [nil, Status(code: 2, message: "boom"), nil, Status(code: 12, message: "method Nope"), nil])
    }

    @Test("random requests and responses are what protobuf-c makes of them, both ways")
    func agreesWithProtobufC() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("EnvelopeTests.agreesWithProtobufC: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<2000 {
            let payload = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let head = RequestHead(
                service: text(&random), method: text(&random),
                timeoutNanoseconds: Bool.random(using: &random)
                    ? 0 : Int64(truncatingIfNeeded: random.next()) >> Int.random(in: 0...63, using: &random),
                metadata: (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    KeyValue(key: text(&random), value: text(&random))
                })
            let bytes = request(head, payload).encoded()
            #expect(write(head, payload) == bytes, "seed \(seed)")
            let read = try readRequest(bytes)
            #expect(read.0 == head && read.1 == payload, "seed \(seed)")

            let answer = ResponseHead(
                status: Bool.random(using: &random)
                    ? nil : Status(code: Int32(truncatingIfNeeded: random.next()), message: text(&random)))
            let answerBytes = Response(status: answer.status, payload: payload).encoded()
            #expect(write(answer, payload) == answerBytes, "seed \(seed)")
            let readAnswer = try readResponse(answerBytes)
            #expect(readAnswer.0 == answer && readAnswer.1 == payload, "seed \(seed)")
        }
    }

    @Test("broken envelopes are refused where protobuf-c refuses them, and never read past their end")
    func broken() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("EnvelopeTests.broken: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let valid = Vector.load("recorded.txt").flatMap { $0.clientFrames + $0.serverFrames }.map { Array($0[10...]) }
        var refused = 0
        for _ in 0..<20_000 {
            var bytes = valid[Int.random(in: 0..<valid.count, using: &random)]
            for _ in 0...Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: bytes[place] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.removeLast(bytes.count - place)
                }
            }
            // Where both take it, both must understand the same.
            if let (head, payload) = try? readRequest(bytes) {
                if let theirs = try? Request(decoding: bytes) {
                    #expect(request(head, payload) == theirs, "seed \(seed): \(bytes)")
                }
            } else {
                refused += 1
            }
            if let (head, payload) = try? readResponse(bytes), let theirs = try? Response(decoding: bytes) {
                #expect(Response(status: head.status, payload: payload) == theirs, "seed \(seed): \(bytes)")
            }
        }
        #expect(refused > 1000)
    }

    @Test("more than 256 entries of metadata are refused")
    func metadataIsBounded() throws {
        let entry: [UInt8] = [0x2a, 0]
        #expect(try readRequest(Array(repeatElement(entry, count: 256).joined())).0.metadata.count == 256)
        #expect(throws: SchemaError.self) { try readRequest(Array(repeatElement(entry, count: 257).joined())) }
    }

    @Test("a message of two million empty strings is refused, soon")
    func arenaIsBounded() {
        let bytes = [UInt8](repeating: 0, count: 4 << 20).enumerated().map { $0.offset % 2 == 0 ? UInt8(0x12) : 0 }
        let before = ContinuousClock.now
        #expect(throws: SchemaError.self) { try Agent.ExecuteRequest(decoding: bytes) }
        // Searching every earlier allocation for each took hours.
        #expect(ContinuousClock.now - before < .seconds(10))
    }

    private func readRequest(_ bytes: [UInt8]) throws(SchemaError) -> (RequestHead, [UInt8]) {
        var payload = 0..<0
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(SchemaError) in try RequestHead(reading: raw, payload: &payload) }
        }
        return (try result.get(), Array(bytes[payload]))
    }

    private func readResponse(_ bytes: [UInt8]) throws(SchemaError) -> (ResponseHead, [UInt8]) {
        var payload = 0..<0
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(SchemaError) in try ResponseHead(reading: raw, payload: &payload) }
        }
        return (try result.get(), Array(bytes[payload]))
    }

    private func write(_ head: RequestHead, _ payload: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: head.size(payloadSize: payload.count))
        bytes.withUnsafeMutableBytes { room in
            head.write(payloadSize: payload.count, into: room) { $0.copyBytes(from: payload) }
        }
        return bytes
    }

    private func write(_ head: ResponseHead, _ payload: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: head.size(payloadSize: payload.count))
        bytes.withUnsafeMutableBytes { room in
            head.write(payloadSize: payload.count, into: room) { $0.copyBytes(from: payload) }
        }
        return bytes
    }

    private func request(_ head: RequestHead, _ payload: [UInt8]) -> Request {
        Request(
            service: head.service, method: head.method, payload: payload, timeoutNanoseconds: head.timeoutNanoseconds,
            metadata: head.metadata)
    }

    private func text(_ random: inout SeededGenerator) -> String {
        String((0..<Int.random(in: 0...200, using: &random)).compactMap { _ in "aé✓😀/.".randomElement(using: &random) })
    }
}
