// SPDX-License-Identifier: Apache-2.0

/// Exit codes that are not the program's own.
package enum ExitStatus {
    /// `berth run` itself has failed.
    package static let ownFailure: Int32 = 125
}
