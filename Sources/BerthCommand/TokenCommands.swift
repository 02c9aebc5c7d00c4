// SPDX-License-Identifier: Apache-2.0

import Access
import ArgumentParser
import Berth
import BerthRPC
import BerthSchema
import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The commands of `berth token`.
struct Tokens: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make, list and revoke the tokens with which tenants call (for operators).",
        discussion: """
              berth token create acme --file /etc/berth/tokens   prints a token, once
              berth token list --file /etc/berth/tokens
              berth token revoke 1a2b3c4d --file /etc/berth/tokens

            The file has hashes only: who has it can't call with it. A server whose setting "tokens" names the file reads it \
            again within seconds. To exchange a token, create a second one for the tenant, and revoke the first when \
            nobody uses it any more.
            """,
        subcommands: [TokenCreate.self, TokenList.self, TokenRevoke.self])
}

/// The file of tokens that a command works on.
struct TokenFileOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The file of tokens, as in the server's setting \"tokens\".", valueName: "file"))
    var file: String

    /// - Parameter isNew: whether a file that does not exist is an empty one.
    func read(isNew: Bool = false) throws -> TokenFile {
        if isNew, access(file, F_OK) != 0 { return TokenFile() }
        do {
            return try TokenFile(
                parsing: String(
                    decoding: try SmallFile.read(file, "the token file", maxSize: TokenFile.maxSize), as: UTF8.self))
        } catch let error as RPCError {
            throw Failure(error.message, code: 2)
        } catch {
            throw Failure("the token file \(file): \(error)", code: 2)
        }
    }

    /// Changes the file, one command at a time.
    func change(isNew: Bool = false, _ body: (inout TokenFile) throws -> Void) throws {
        let directory = open(SocketAccess.directory(of: file), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw Failure("\(file): \(String(cString: strerror(errno)))", code: 2) }
        defer { close(directory) }
        guard flock(directory, LOCK_EX) == 0 else { throw Failure("\(file): \(String(cString: strerror(errno)))") }
        var tokens = try read(isNew: isNew)
        try body(&tokens)
        // No server, and no command, could read it any more.
        guard tokens.entries.count <= TokenFile.maxEntries else {
            throw Failure(
                "the token file \(file) has \(TokenFile.maxEntries) tokens, the maximum: revoke those that are not used any more",
                code: 2)
        }
        try AtomicFile.write(file, tokens.text, mode: 0o600)
    }
}

struct TokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a token for a tenant, and print it.",
        discussion: """
            It is printed once, and kept nowhere: the file gets its hash.

              berth token create acme --file /etc/berth/tokens --expires 720h >acme.token
            """)

    @OptionGroup var tokens: TokenFileOptions

    @Argument(help: "The tenant, as in the server's configuration.")
    var tenant: String

    @Option(
        help: ArgumentHelp(
            "Time after which it is valid no more (default: it does not expire).", valueName: "duration"),
        transform: DurationArgument.init(parsing:))
    var expires: DurationArgument?

    func validate() throws {
        guard !tenant.isEmpty, tenant.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) })
        else {
            throw ValidationError("the name of a tenant has letters, digits, \".\", \"_\" and \"-\"")
        }
        if let expires, expires.duration < .seconds(1) { throw ValidationError("--expires is less than a second") }
    }

    mutating func run() async throws {
        var random = SystemRandomNumberGenerator()
        let token = Token.make(using: &random)
        let now = time(nil)
        let entry = TokenEntry(
            hash: Token.hash(token), tenant: tenant, created: now,
            expires: expires.map { now + Int($0.duration.components.seconds) })
        try tokens.change(isNew: true) { $0.entries.append(entry) }
        try printLine(token)
        printErrorLine("berth: token \(entry.id) of \(tenant)")
    }
}

/// "2026-11-30 21:04:59 UTC".
func utc(_ seconds: Int) -> String {
    var (parts, time) = (tm(), time_t(seconds))
    gmtime_r(&time, &parts)
    var text = [CChar](repeating: 0, count: 32)
    strftime(&text, text.count, "%Y-%m-%d %H:%M:%S UTC", &parts)
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

struct TokenList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the tokens.")

    @OptionGroup var tokens: TokenFileOptions

    mutating func run() async throws {
        let now = time(nil)
        let rows = try tokens.read().entries.map { entry in
            [
                entry.id, entry.tenant, utc(entry.created), entry.expires.map(utc) ?? "never",
                entry.isValid(at: now) ? "valid" : "expired",
            ]
        }
        for line in TextTable.lines(["TOKEN", "TENANT", "CREATED", "EXPIRES", "STATE"], rows) { try printLine(line) }
    }
}

struct TokenRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke a token, or all of a tenant.",
        discussion: """
              berth token revoke 1a2b3c4d --file /etc/berth/tokens
              berth token revoke --tenant acme --file /etc/berth/tokens
            """)

    @OptionGroup var tokens: TokenFileOptions

    @Argument(help: "The token's first digits, as berth token list shows them.")
    var token: String?

    @Option(help: ArgumentHelp("Revoke all tokens of this tenant.", valueName: "name"))
    var tenant: String?

    func validate() throws {
        guard (token == nil) != (tenant == nil) else { throw ValidationError("give a token, or --tenant") }
    }

    mutating func run() async throws {
        var revoked: [TokenEntry] = []
        try tokens.change { file in
            revoked = file.entries.filter { entry in
                if let tenant { entry.tenant == tenant } else { entry.id == token }
            }
            guard !revoked.isEmpty else {
                throw Failure(
                    "there is no token \(token.map { "\"\($0)\"" } ?? "of the tenant \"\(tenant ?? "")\"")", code: 2)
            }
            file.entries.removeAll { revoked.contains($0) }
        }
        for entry in revoked { try printLine("revoked \(entry.id) of \(entry.tenant)") }
    }
}

/// `berth quota`.
struct Quota: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what your tenant may do, and what it has used of that.",
        discussion: """
              berth quota                 your own
              berth quota --all           of all tenants (for operators)
            """)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The tenant (default: your own; another's is for operators).")
    var tenant: String?

    @Flag(help: "All tenants (for operators).")
    var all = false

    mutating func run() async throws {
        try await server.call { [tenant, all] client in
            let quotas = try await client.quota(tenant: tenant, ofAll: all)
            for (index, quota) in quotas.enumerated() {
                if index > 0 { try printLine("") }
                try printLine(
                    "\(quota.tenant.printable) (\(quota.role.printable)): pools \(quota.pools.joined(separator: ", ").printable)"
                )
                let rows = quota.limits.map { limit in
                    [
                        limit.name, "\(limit.used)", limit.limit == 0 ? "unlimited" : "\(limit.limit)",
                        limit.resetsInMilliseconds == 0
                            ? "" : Notation.text(.seconds(limit.resetsInMilliseconds / 1000)),
                    ]
                }
                for line in TextTable.lines(["LIMIT", "USED", "OF", "RESETS IN"], rows) { try printLine(line) }
            }
        }
    }
}
