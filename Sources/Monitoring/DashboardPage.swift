// SPDX-License-Identifier: Apache-2.0

/// The dashboard, and the policy by which a browser runs nothing but it: its script and its style have a nonce, which is another
/// each time, and it loads nothing but `/history` and `/events`.
struct DashboardPage {
    private static let mark = "@NONCE@"
    private static let source = String(decoding: PackageResources.dashboard_html, as: UTF8.self)

    let text: String
    let policy: String

    init() {
        var generator = SystemRandomNumberGenerator()
        let nonce = (0..<2).map { _ in String(generator.next(), radix: 36) }.joined()
        text = Self.source.replacing(Self.mark, with: nonce)
        policy =
            "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; connect-src 'self'; img-src data:; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    }
}
