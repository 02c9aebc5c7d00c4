// SPDX-License-Identifier: Apache-2.0

/// Guesses whether the typed code is complete, or another line follows, as every prompt does. In Python an empty line
/// ends a block; Ctrl-C begins again.
enum CodeScanner {
    static func isWhole(_ code: String, language: String) -> Bool {
        let lines = code.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let last = lines.last else { return true }
        if language == "python" {
            let state = python(code)
            if state.isOpen || last.hasSuffix("\\") { return false }
            // An empty line ends a block.
            let isBlock = lines.contains { line in
                line.trimmedEnd.hasSuffix(":") || line.first == "@" || line.first == " " || line.first == "\t"
            }
            return !isBlock || last.allSatisfy(\.isWhitespace)
        }
        return language == "node" ? !isOpenJavaScript(code) : shell(code)
    }

    /// Whether brackets or strings are open at the end of Python code.
    private static func python(_ code: String) -> (isOpen: Bool, depth: Int) {
        var depth = 0
        var quote: (mark: Character, isTriple: Bool)?
        var characters = Array(code)[...]
        while let character = characters.popFirst() {
            if let open = quote {
                if character == "\\" {
                    _ = characters.popFirst()
                } else if character == "\n", !open.isTriple {
                    // The interpreter reports that error.
                    quote = nil
                } else if character == open.mark {
                    if !open.isTriple {
                        quote = nil
                    } else if characters.prefix(2).elementsEqual([open.mark, open.mark]) {
                        characters = characters.dropFirst(2)
                        quote = nil
                    }
                }
                continue
            }
            switch character {
            case "\"", "'":
                let isTriple = characters.prefix(2).elementsEqual([character, character])
                if isTriple { characters = characters.dropFirst(2) }
                quote = (character, isTriple)
            case "#": characters = characters.drop { $0 != "\n" }
            case "(", "[", "{": depth += 1
            case ")", "]", "}": depth -= 1
            default: break
            }
        }
        return (depth > 0 || quote?.isTriple == true, depth)
    }

    private static func shell(_ code: String) -> Bool {
        var quote: Character?
        var word = ""
        var depth = 0
        var isEscaped = false
        for character in code + "\n" {
            if isEscaped {
                isEscaped = false
                continue
            }
            if let open = quote {
                if character == "\\", open == "\"" { isEscaped = true } else if character == open { quote = nil }
                continue
            }
            switch character {
            case "\\": isEscaped = true
            case "\"", "'", "`": quote = character
            case "a"..."z": word.append(character)
            default:
                switch word {
                case "if", "do", "case": depth += 1
                case "fi", "done", "esac": depth -= 1
                default: break
                }
                word = ""
                if character == "{" || character == "(" { depth += 1 }
                if character == "}" || character == ")", depth > 0 { depth -= 1 }
            }
        }
        let end = code.trimmedEnd
        return quote == nil && depth <= 0 && !code.hasSuffix("\\") && !end.hasSuffix("|") && !end.hasSuffix("&&")
    }
}

extension String {
    fileprivate var trimmedEnd: String { String(reversed().drop(while: \.isWhitespace).reversed()) }
}
