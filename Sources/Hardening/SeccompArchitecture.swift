// SPDX-License-Identifier: Apache-2.0

/// An architecture whose system calls Berth's filter knows; as JSON it has libseccomp's name.
package enum SeccompArchitecture: String, Encodable, Sendable, CaseIterable {
    case x86_64 = "SCMP_ARCH_X86_64"
    case aarch64 = "SCMP_ARCH_AARCH64"

    /// That of this program; nil if Berth doesn't know it.
    package static var native: SeccompArchitecture? {
        #if arch(x86_64)
            .x86_64
        #elseif arch(arm64)
            .aarch64
        #else
            nil
        #endif
    }

    /// The value of `seccomp_data.arch`: AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64.
    var audit: UInt32 {
        switch self {
        case .x86_64: 0xC000_003E
        case .aarch64: 0xC000_00B7
        }
    }

    /// The numbers of its system calls, by name.
    var numbers: [String: UInt32] {
        switch self {
        case .x86_64: SystemCallTable.x86_64
        case .aarch64: SystemCallTable.aarch64
        }
    }
}
