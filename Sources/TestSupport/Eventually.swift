// SPDX-License-Identifier: Apache-2.0

/// A wait that did not end in time.
package struct NeverHappened: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) {
        self.description = description
    }
}

/// Polls until `condition` holds, for conditions without an event to wait for.
/// - Throws: `NeverHappened` if it does not hold within `limit`.
package func eventually(
    _ what: String, within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while !(try await condition()) {
        if ContinuousClock.now > deadline { throw NeverHappened(description: "within \(limit) never: \(what)") }
        try await Task.sleep(for: .milliseconds(2))
    }
}
