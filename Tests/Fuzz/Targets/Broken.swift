// SPDX-License-Identifier: Apache-2.0

/// A rule that the fuzzed code has broken.
struct Broken: Error {
    let rule: String
}

func require(_ holds: Bool, _ rule: @autoclosure () -> String) throws(Broken) {
    if !holds { throw Broken(rule: rule()) }
}
