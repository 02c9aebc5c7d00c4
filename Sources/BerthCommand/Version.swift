// SPDX-License-Identifier: Apache-2.0

/// The version, as `berth --version`, the log and clients see it.
enum Version {
    static let current = "0.1.0"
    static let server = "berth/\(current)"
}
