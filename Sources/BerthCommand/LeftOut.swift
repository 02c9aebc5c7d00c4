// SPDX-License-Identifier: Apache-2.0

import Console

/// Reports on standard error what a copy has left out.
enum LeftOut {
    /// Maximum number of lines; after them comes the number of those that are not listed.
    private static let most = 10

    /// - Parameter entries: names, each with the reason.
    static func tell(_ entries: [String]) {
        for entry in entries.prefix(most) { printError("left out: \(entry)") }
        if entries.count > most { printError("left out: \(entries.count - most) more") }
    }
}
