// SPDX-License-Identifier: Apache-2.0

extension OutputStream {
    /// Those that a program has pipes for. Made once: output passes by here.
    public static let pipes: [OutputStream] = [.stdout, .stderr]
}
