// SPDX-License-Identifier: Apache-2.0

package import BerthSchema

extension OutputStream {
    package var name: String { protoName.lowercased() }
}

extension Dropped {
    /// What `berth run` says where output is missing.
    package var words: String { "\(bytes) bytes of \(stream.name) are no longer held, and missing here" }
}
