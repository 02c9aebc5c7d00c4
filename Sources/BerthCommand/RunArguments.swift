// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BerthSchema
import Configuration
import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// "10m", "10m,truncate" or "10m,kill".
struct OutputLimitArgument {
    let limit: OutputLimit

    /// - Throws: `ValidationError` that names the allowed values.
    init(parsing text: String) throws {
        guard let limit = OutputLimit(text) else {
            throw ValidationError("write a size as 65536, 64k, 10m or 1g; it may end in \",kill\"")
        }
        self.limit = limit
    }
}

/// "drop" or "wait".
struct UnwatchedArgument {
    let value: Unwatched

    /// - Throws: `ValidationError` that names the allowed values.
    init(parsing text: String) throws {
        switch text {
        case "drop": value = .runOn
        case "wait": value = .wait
        default: throw ValidationError("it must be drop or wait")
        }
    }
}
