// SPDX-License-Identifier: Apache-2.0

/// The version that `berth --version`, the log and clients show.
enum Version {
    static let current = "0.1.0"
    static let server = "berth/\(current)"
}
