// SPDX-License-Identifier: Apache-2.0

extension CodeScanner {
    /// What JavaScript is in, from the outside in.
    private enum Open {
        case bracket
        /// `${` in a template, to its `}`.
        case inserted
        case template
    }

    /// After these a slash begins a regular expression; after other words, and what ends a value, it divides.
    private static let wordsBeforeValues: Set<String> = [
        "return", "typeof", "case", "in", "of", "do", "else", "delete", "void", "throw", "new", "instanceof", "await",
        "yield",
    ]

    /// Whether brackets, templates or comments are open at the end of the code. A string or a regular expression ends with
    /// its line: that error is the interpreter's to report.
    static func isOpenJavaScript(_ code: String) -> Bool {
        var open: [Open] = []
        var rest = Array(code)[...]
        /// What stands before, which decides what a slash is.
        var word = ""
        var endsValue = false
        while let character = rest.popFirst() {
            if case .template? = open.last {
                switch character {
                case "\\": _ = rest.popFirst()
                case "`":
                    open.removeLast()
                    endsValue = true
                case "$" where rest.first == "{":
                    rest.removeFirst()
                    open.append(.inserted)
                    endsValue = false
                default: break
                }
                continue
            }
            if character.isLetter || character.isNumber || character == "_" || character == "$" || character == "#" {
                word.append(character)
                continue
            }
            if !word.isEmpty {
                endsValue = !wordsBeforeValues.contains(word)
                word = ""
            }
            switch character {
            case "/" where rest.first == "/": rest = rest.drop { $0 != "\n" }
            case "/" where rest.first == "*":
                rest.removeFirst()
                guard skipComment(&rest) else { return true }
            case "/" where !endsValue:
                skipRegularExpression(&rest)
                endsValue = true
            case "\"", "'":
                skipString(&rest, character)
                endsValue = true
            case "`": open.append(.template)
            case "(", "[", "{":
                open.append(.bracket)
                endsValue = false
            case ")", "]", "}":
                // One too many is an error at once.
                guard let last = open.popLast() else { return false }
                endsValue = character != "}"
                if case .inserted = last { endsValue = false }
            default: if !character.isWhitespace { endsValue = false }
            }
        }
        return !open.isEmpty
    }

    /// - Returns: false where it is not closed.
    private static func skipComment(_ rest: inout ArraySlice<Character>) -> Bool {
        while let character = rest.popFirst() {
            guard character == "*", rest.first == "/" else { continue }
            rest.removeFirst()
            return true
        }
        return false
    }

    private static func skipString(_ rest: inout ArraySlice<Character>, _ mark: Character) {
        while let character = rest.popFirst(), character != mark, character != "\n" {
            if character == "\\" { _ = rest.popFirst() }
        }
    }

    private static func skipRegularExpression(_ rest: inout ArraySlice<Character>) {
        var isInClass = false
        while let character = rest.popFirst(), character != "\n" {
            switch character {
            case "\\": _ = rest.popFirst()
            case "[": isInClass = true
            case "]": isInClass = false
            case "/" where !isInClass: return
            default: break
            }
        }
    }
}
