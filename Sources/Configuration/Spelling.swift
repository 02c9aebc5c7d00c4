// SPDX-License-Identifier: Apache-2.0

/// Suggestions for misspelt names.
enum Spelling {
    /// Returns the one of `words` with the smallest edit distance to `word`; nil if none is near.
    static func nearest(to word: String, in words: [String]) -> String? {
        let word = word.lowercased().replacing("-", with: "_")
        let near = words.map { ($0, distance(Array(word.utf8), Array($0.utf8))) }.min { $0.1 < $1.1 }
        guard let (found, distance) = near, distance <= Swift.max(1, found.utf8.count / 3) else { return nil }
        return found
    }

    /// The Levenshtein distance: how many letters to insert, delete or replace.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let replaced = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = Swift.min(replaced, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
