// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Testing
import TestSupport

@Suite("Text of bytes that come in pieces")
struct TextReaderTests {
    @Test("A4: a character is whole wherever the pieces are divided")
    func everyDivision() {
        let text = "aé€😀ze\u{301}"
        let bytes = Array(text.utf8)
        for first in 0...bytes.count {
            for second in first...bytes.count {
                var reader = TextReader()
                let pieces = [bytes[..<first], bytes[first..<second], bytes[second...]].map { reader.read($0) }
                #expect(pieces.joined() + reader.end() == text)
                #expect(!pieces.joined().unicodeScalars.contains("\u{fffd}"))
            }
        }
    }

    @Test("an execution's text has whole characters of each stream, and says what is missing", .timeLimit(.minutes(1)))
    func ofAnExecution() async throws {
        try await ScriptedServer.with { server, client in
            let execution = client.execute(Command(["x"]))
            let stream = try await server.stream()
            stream.send([.start, .out(0, [0x61, 0xe2, 0x82]), .out(0, [0xc3], .stderr), .out(3, [0xac, 0x62])])
            stream.send([.dropped(Dropped(stream: .stdout, offset: 5, bytes: 7)), .out(12, [0xf0, 0x9f]), .end])
            var pieces: [Execution.Text] = []
            for try await piece in execution.text { pieces.append(piece) }
            #expect(pieces.filter { $0.stream == .stdout }.map(\.text) == ["a", "€b", "", "\u{fffd}"])
            #expect(pieces.filter { $0.stream == .stderr }.map(\.text) == ["\u{fffd}"])
            #expect(pieces.map(\.dropped).max() == 7)
        }
    }

    @Test("A4: what is no UTF-8 is replaced and never held back for longer than 3 bytes")
    func otherBytes() {
        var reader = TextReader()
        #expect(reader.read([0x61, 0xff]) == "a\u{fffd}")
        #expect(reader.read([0xf0, 0x9f]).isEmpty)
        #expect(reader.read([0x62]) == "\u{fffd}b")
        #expect(reader.read([0xe2, 0x82]).isEmpty)
        #expect(reader.end() == "\u{fffd}")
        #expect(reader.end().isEmpty)
        #expect(reader.read([0x80, 0x80, 0x80, 0x80]) == "\u{fffd}\u{fffd}\u{fffd}\u{fffd}")
    }
}
