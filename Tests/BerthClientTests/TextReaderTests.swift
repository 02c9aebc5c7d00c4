import BerthClient
import Testing

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
