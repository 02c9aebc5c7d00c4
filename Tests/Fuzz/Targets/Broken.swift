// SPDX-License-Identifier: Apache-2.0

/// A rule that what is fuzzed must keep, and has not.
struct Broken: Error {
    let rule: String
}

func require(_ holds: Bool, _ rule: @autoclosure () -> String) throws(Broken) {
    if !holds { throw Broken(rule: rule()) }
}
