// SPDX-License-Identifier: Apache-2.0

extension OutputStream {
    /// The streams that a program has pipes for. It is stored because all output uses it.
    public static let pipes: [OutputStream] = [.stdout, .stderr]
}
