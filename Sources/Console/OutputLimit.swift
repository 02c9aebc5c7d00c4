// SPDX-License-Identifier: Apache-2.0

package import BerthSchema

/// "10m", "10m,truncate" or "10m,kill".
package struct OutputLimit {
    package let bytes: Int
    package let policy: OutputPolicy

    /// Nil if the text is not a limit.
    package init?(_ text: String) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard let size = parts.first, parts.count <= 2, let bytes = Notation.bytes(String(size)) else { return nil }
        switch parts.count == 2 ? parts[1] : "truncate" {
        case "truncate": policy = .truncate
        case "kill": policy = .kill
        default: return nil
        }
        self.bytes = Int(bytes)
    }
}
