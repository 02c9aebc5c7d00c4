// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelTools

@Suite("JSON")
struct JSONTests {
    private func parse(_ text: String) throws(JSONError) -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

    @Test("what is written is what was read: order, numbers and all")
    func roundTrips() throws {
        for text in [
            #"{"b":1,"a":[true,false,null,-0,1.50,2e+3,12345678901234567890],"":{}}"#, "[]", "0", #""""#, "null",
            #"{"text":"\"\\\n\r\t\u0001\u007fé€𝄞/"}"#,
        ] {
            #expect(String(decoding: try parse(text).line, as: UTF8.self) == text)
        }
        #expect(try parse(" { \"a\" :\t[ 1 , 2 ]\r\n} ") == ["a": [1, 2]])
        #expect(try parse(#""\u00e9\uD834\uDD1E\/\b\f""#) == "é𝄞/\u{08}\u{0c}")
    }

    @Test("half of a surrogate pair becomes U+FFFD")
    func surrogates() throws {
        #expect(try parse(#""\ud834x""#) == "\u{fffd}x")
        #expect(try parse(#""\ud834\u0041""#) == "\u{fffd}A")
        #expect(try parse(#""\udd1e""#) == "\u{fffd}")
    }

    @Test(
        "what is not JSON is refused with the place and the reason",
        arguments: [
            ("", 0, "it ends where a value should be"), ("{", 1, "the name of a member should be here"),
            ("{\"a\"}", 4, "\":\" should be here"), ("{\"a\":1,}", 7, "the name of a member should be here"),
            ("[1 2]", 3, "\",\" or \"]\" should be here"), ("[1,", 3, "it ends where a value should be"),
            ("tru", 0, "a value should be here"), ("01", 1, "something follows the value"),
            ("-", 1, "a digit should be here"), ("1.", 2, "a digit should be here"),
            ("1e", 2, "a digit should be here"),
            ("\"a", 2, "it ends within a string"), ("\"\\x\"", 2, "there is no such escape"),
            ("\"\\u12g4\"", 2, "\\u needs four hexadecimal digits"),
            ("\"\n\"", 1, "a control character in a string must be escaped"),
            ("1 1", 2, "something follows the value"), ("NaN", 0, "a value should be here"),
        ])
    func refuses(_ text: String, _ offset: Int, _ message: String) {
        let error = #expect(throws: JSONError.self) { try parse(text) }
        #expect(error == JSONError(offset: offset, message: message))
    }

    @Test("bytes that are not UTF-8 are refused")
    func notUTF8() {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse([0x22, 0x61, 0xff, 0x22]) }
        #expect(error == JSONError(offset: 1, message: "a string is not UTF-8"))
    }

    @Test("depth and number of values have a bound")
    func bounds() throws {
        func deep(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try parse(deep(JSONParser.maxDepth))
        #expect(throws: JSONError(offset: 64, message: "it is nested deeper than 64 levels")) {
            try parse(deep(JSONParser.maxDepth + 1))
        }
        let many = "[" + String(repeating: "0,", count: JSONParser.maxValues) + "0]"
        let error = #expect(throws: JSONError.self) { try parse(many) }
        #expect(error?.message == "it has more than 65536 values")
        #expect(throws: JSONError.self) { try parse(String(repeating: "1", count: 100)) }
    }

    @Test("whole numbers are known however they are written")
    func integers() {
        #expect(JSONValue.number("5").integer == 5 && JSONValue.number("5.0").integer == 5)
        #expect(JSONValue.number("5e1").integer == 50 && JSONValue.number("5.5").integer == nil)
        #expect(JSONValue.number("1e400").double == nil && JSONValue.number("99999999999999999999").integer == nil)
    }

    @Test("the last of several members with one name counts")
    func duplicates() throws {
        #expect(try parse(#"{"a":1,"a":2}"#).object?["a"] == 2)
    }
}

@Suite("The id of a message that is too long")
struct IdentityScannerTests {
    private func id(_ text: String) -> RequestID? {
        var scanner = IdentityScanner()
        // A byte at a time, as it may arrive.
        for byte in text.utf8 { scanner.scan([byte]) }
        return scanner.id
    }

    @Test("is found wherever it stands")
    func found() {
        #expect(id(#"{"id":7,"method":"x","params":{"id":8}}"#) == .number("7"))
        #expect(id(#"{"params":{"id":8,"s":"\",\"id\":9"},"jsonrpc":"2.0", "id" : "a b" }"#) == .string("a b"))
        #expect(id(#"{"params":[[{"id":1}]],"x":"\\","id":-3}"#) == .number("-3"))
    }

    @Test("is nothing where there is none, or none that is valid")
    func missing() {
        #expect(id(#"{"params":{"id":8}}"#) == nil)
        #expect(id(#"{"id":{"id":1}}"#) == nil)
        #expect(id(#"{"id":null}"#) == nil)
        #expect(id(#"{"id":1.5}"#) == nil)
        #expect(id("{\"id\":\"\(String(repeating: "x", count: 300))\"}") == nil)
        #expect(id(#"{"note":"id","x":5}"#) == nil)
    }
}
