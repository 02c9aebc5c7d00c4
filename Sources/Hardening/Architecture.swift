// SPDX-License-Identifier: Apache-2.0

/// The architecture of this program and of the agent.
package enum Architecture {
    /// Go's name, which images and engines use; empty if it is not known.
    package static var name: String {
        #if arch(x86_64)
            "amd64"
        #elseif arch(arm64)
            "arm64"
        #else
            ""
        #endif
    }
}
