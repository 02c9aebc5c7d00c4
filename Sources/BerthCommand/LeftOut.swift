// SPDX-License-Identifier: Apache-2.0

import Console

/// What a copy could not take with it, told on standard error.
enum LeftOut {
    /// Lines at most; then how many more there are.
    private static let most = 10

    /// - Parameter entries: names, each with what it is.
    static func tell(_ entries: [String]) {
        for entry in entries.prefix(most) { printError("left out: \(entry)") }
        if entries.count > most { printError("left out: \(entries.count - most) more") }
    }
}
