// SPDX-License-Identifier: Apache-2.0

import Access
import Digest
import Synchronization
import Testing
import TestSupport

@Suite("Tokens and their file")
struct TokenTests {
    @Test("SHA-256 is right for the vectors of the standard, and for every length around a block")
    func hashes() {
        #expect(SHA256.hex([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(SHA256.hex(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            SHA256.hex(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        #expect(
            SHA256.hex([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000))
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        // From coreutils' sha256sum: all lengths from 0 to 129 of "x", hashed one after the other (python3's hashlib agrees).
        var all: [UInt8] = []
        for count in 0...129 { all += SHA256.hash([UInt8](repeating: UInt8(ascii: "x"), count: count)) }
        #expect(SHA256.hex(all) == "6d0989028287a2bd990515b95658bb810cf688b69517dfc49e4b3778e0b6d923")
    }

    @Test("a token has 256 bits, which all differ from token to token, and only its hash is in the file")
    func tokens() throws {
        var random = SystemRandomNumberGenerator()
        let tokens = (0..<200).map { _ in Token.make(using: &random) }
        #expect(Set(tokens).count == 200)
        for token in tokens {
            #expect(token.utf8.count == 49 && token.hasPrefix("berth_"))
            #expect(token.dropFirst(6).allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) })
        }
        // Each of the 43 digits takes many values; the last has four bits.
        for digit in 6..<49 {
            let values = Set(tokens.map { Array($0)[digit] })
            #expect(values.count > (digit == 48 ? 8 : 30), "digit \(digit): \(values.count)")
        }
        let file = TokenFile(
            entries: tokens.prefix(3).map {
                TokenEntry(hash: Token.hash($0), tenant: "a.b-C_1", created: 5, expires: 9)
            })
        #expect(try TokenFile(parsing: file.text) == file)
        #expect(!tokens.contains { file.text.contains($0.dropFirst(6)) })
    }

    @Test("the entry of a hash is found wherever it is, and no other")
    func find() {
        let entries = (0..<100).map { TokenEntry(hash: SHA256.hash([UInt8($0)]), tenant: "t\($0)", created: 0) }
        let file = TokenFile(entries: entries)
        for entry in entries { #expect(file.find(entry.hash) == entry) }
        for bit in 0..<256 {
            var near = entries[50].hash
            near[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(file.find(near) == nil)
        }
        #expect(TokenFile().find(entries[0].hash) == nil)
    }

    /// A hash that counts how often one of its bytes is read.
    private struct CountedHash: RandomAccessCollection {
        let bytes: [UInt8]
        let reads = Counter()
        var startIndex: Int { 0 }
        var endIndex: Int { bytes.count }
        subscript(index: Int) -> UInt8 {
            reads.count.add(1, ordering: .relaxed)
            return bytes[index]
        }
    }

    private final class Counter: Sendable {
        let count = Atomic<Int>(0)
    }

    @Test(
        "no token, a wrong, a revoked and an expired one cost the same: one hash of as many bytes, compared with all entries"
    )
    func costOfRefusal() throws {
        var random = SystemRandomNumberGenerator()
        let tokens = (0..<50).map { _ in Token.make(using: &random) }
        var entries = tokens.map { TokenEntry(hash: Token.hash($0), tenant: "t", created: 0) }
        entries[0].expires = 99
        entries[49].expires = 99
        entries[10].tenant = "gone"
        let revoked = entries.remove(at: 20)
        let work = Mutex<[(hash: [UInt8], reads: Int)]>([])
        let control = AccessControl(
            [TenantPolicy(name: "t")], TokenFile(entries: entries), ownUser: 0, seconds: { 100 },
            find: { file, hash in
                let counted = CountedHash(bytes: hash)
                let found = file.find(counted)
                work.withLock { $0.append((hash, counted.reads.count.load(ordering: .relaxed))) }
                return found
            })
        let wrong = Token.make(using: &random)
        let refused: [(what: String, value: String?)] = [
            ("none", nil), ("no scheme", tokens[5]), ("wrong", "Bearer \(wrong)"), ("revoked", "Bearer \(tokens[20])"),
            ("expired, the first", "Bearer \(tokens[0])"), ("expired, the last", "Bearer \(tokens[49])"),
            ("of a tenant that is gone", "Bearer \(tokens[10])"),
        ]
        for (what, value) in refused { #expect(control.caller(authorization: value) == nil, "\(what)") }
        #expect(control.caller(authorization: "Bearer \(tokens[5])") != nil)
        let done = work.withLock { $0 }
        #expect(done.count == refused.count + 1, "one look-up each")
        for (index, one) in done.enumerated() {
            #expect(one.reads == 49 * 32, "\(index < refused.count ? refused[index].what : "valid")")
        }
        #expect(done[3].hash == revoked.hash)
        // Without a token something of a token's length is hashed.
        let dashes = [UInt8](repeating: UInt8(ascii: "-"), count: wrong.utf8.count)
        #expect(done[0].hash == SHA256.hash(dashes) && done[1].hash == done[0].hash)
    }

    @Test("as many tokens as there may be fit into a file, however long their lines are; one more is told as such")
    func largest() throws {
        let longest = TokenEntry(
            hash: SHA256.hash([1]), tenant: String(repeating: "x", count: 64), created: .max, expires: .max)
        var file = TokenFile(entries: [TokenEntry](repeating: longest, count: TokenFile.maxEntries))
        #expect(file.text.utf8.count <= TokenFile.maxSize)
        #expect(try TokenFile(parsing: file.text).entries.count == TokenFile.maxEntries)
        file.entries.append(longest)
        let mistake = #expect(throws: TokenFile.Mistake.self) { try TokenFile(parsing: file.text) }
        #expect(mistake?.description == "there are more than 10000 tokens")
    }

    @Test("a line that is no entry is a mistake with its number")
    func mistakes() {
        let hash = SHA256.hex([1])
        for line in [
            "x", "sha256:12 tenant=a", "sha256:\(hash)", "sha256:\(hash) tenant=a expires=soon",
            "sha256:\(hash) tenant",
            "sha256:\(hash.uppercased()) tenant=a", "sha256:\(hash) tenant=a tenant=b",
        ] {
            let mistake = #expect(throws: TokenFile.Mistake.self) { try TokenFile(parsing: "# comment\n\n\(line)\n") }
            #expect(mistake?.description.hasPrefix("line 3: ") == true, "\(line)")
        }
    }
}

@Suite("What a tenant may use")
struct TenantLimitTests {
    /// A tenant at a time that the test sets.
    private func tenant(_ change: (inout TenantPolicy) -> Void) -> (Tenant, Clock) {
        var policy = TenantPolicy(name: "acme")
        change(&policy)
        let clock = Clock()
        return (Tenant(policy, mask: (1, 2), seconds: { clock.seconds.load(ordering: .relaxed) }), clock)
    }

    private final class Clock: Sendable {
        let seconds = Atomic<Int>(20_000 * 86400 + 86_000)
    }

    @Test("requests: as many at once as in a second, then as they come back, with the time until the next")
    func rate() throws {
        let (tenant, _) = tenant { $0.requestsPerSecond = 10 }
        var now: UInt64 = 5_000_000_000
        func left() -> Int {
            var count = 0
            while (try? tenant.request(now: now)) != nil { count += 1 }
            return count
        }
        #expect(left() == 10)
        #expect(left() == 0)
        let limit = #expect(throws: LimitReached.self) { try tenant.request(now: now) }
        #expect(limit?.limit == "requests_per_second")
        let wait = try #require(limit?.retryAfter)
        #expect(wait > .milliseconds(90) && wait <= .milliseconds(101))
        now += 100_000_000
        #expect(left() == 1)
        // In steps too small for one: what came before is not lost.
        for _ in 0..<200 {
            now += 999_999
            _ = left()
        }
        now += 10_000_000_000
        #expect(left() == 10, "not more than a second's are saved up")
    }

    @Test("executions, CPU time and output: the limit that is reached is named, and the day's begin anew at midnight")
    func day() throws {
        let (tenant, clock) = tenant {
            ($0.maxExecutions, $0.cpuSecondsPerDay, $0.outputBytesPerDay) = (2, 3, 1000)
        }
        try tenant.begin()
        try tenant.begin()
        let full = #expect(throws: LimitReached.self) { try tenant.begin() }
        #expect(full?.limit == "max_executions" && full?.retryAfter == nil)
        tenant.ended()
        tenant.charge(Tenant.Use(cpuMicroseconds: 2_999_999, outputBytes: 999))
        try tenant.begin()
        tenant.ended()
        tenant.charge(Tenant.Use(cpuMicroseconds: 1, outputBytes: 0))
        let cpu = #expect(throws: LimitReached.self) { try tenant.begin() }
        #expect(cpu?.limit == "cpu_seconds_per_day" && cpu?.retryAfter == .seconds(400))
        clock.seconds.add(400, ordering: .relaxed)
        #expect(tenant.use == Tenant.Use())
        try tenant.begin()
        tenant.ended()
        tenant.charge(Tenant.Use(cpuMicroseconds: 0, outputBytes: 1000))
        let output = #expect(throws: LimitReached.self) { try tenant.begin() }
        #expect(output?.limit == "output_per_day" && output?.retryAfter == .seconds(86400))
        // A clock that is set back gives nothing back.
        clock.seconds.subtract(86400, ordering: .relaxed)
        #expect(throws: LimitReached.self) { try tenant.begin() }
    }

    @Test("a tenant that goes and comes back, while the server runs or over a restart, has what it had used")
    func comeback() throws {
        let clock = Clock()
        let seconds: @Sendable () -> Int = { clock.seconds.load(ordering: .relaxed) }
        let policies = ["acme", "other"].map { TenantPolicy(name: $0) }
        let control = AccessControl(policies, TokenFile(), ownUser: 0, seconds: seconds)
        let acme = try #require(control.tenant("acme"))
        acme.charge(Tenant.Use(cpuMicroseconds: 7, outputBytes: 8))
        try acme.begin()
        control.set([policies[1]])
        #expect(control.tenant("acme") == nil && !control.tenants.contains { $0.name == "acme" })
        // What it still runs goes on counting.
        acme.charge(Tenant.Use(cpuMicroseconds: 3))
        let kept = control.quotas
        control.set(policies)
        #expect(control.tenant("acme")?.use == Tenant.Use(cpuMicroseconds: 10, outputBytes: 8))
        #expect(control.tenant("acme")?.executions == 1)
        let restarted = AccessControl([policies[1]], TokenFile(), ownUser: 0, seconds: seconds)
        restarted.restore(kept)
        #expect(restarted.tenant("acme") == nil && restarted.quotas == kept)
        restarted.set(policies)
        #expect(restarted.tenant("acme")?.use == Tenant.Use(cpuMicroseconds: 10, outputBytes: 8))
    }

    @Test("what was used survives a restart on the same day, and no longer")
    func restart() throws {
        let clock = Clock()
        let seconds: @Sendable () -> Int = { clock.seconds.load(ordering: .relaxed) }
        func control() -> AccessControl {
            AccessControl([TenantPolicy(name: "acme")], TokenFile(), ownUser: 0, seconds: seconds)
        }
        let first = control()
        let acme = try #require(first.tenant("acme"))
        try acme.begin()
        acme.ended()
        acme.charge(Tenant.Use(cpuMicroseconds: 7, outputBytes: 8))
        let text = first.quotas.text
        let second = control()
        second.restore(try #require(QuotaFile(parsing: text)))
        #expect(second.tenant("acme")?.use == Tenant.Use(cpuMicroseconds: 7, outputBytes: 8))
        clock.seconds.add(86400, ordering: .relaxed)
        let third = control()
        third.restore(try #require(QuotaFile(parsing: text)))
        #expect(third.tenant("acme")?.use == Tenant.Use())
        #expect(QuotaFile(parsing: "berth-quota 2 day 1\n") == nil)
        #expect(QuotaFile(parsing: "") == nil)
    }

    @Test("tenants that stay keep what they have used when settings are read again")
    func reload() throws {
        let control = AccessControl([TenantPolicy(name: "acme")], TokenFile(), ownUser: 0, seconds: { 86400 * 3 })
        try control.tenant("acme")?.begin()
        control.tenant("acme")?.ended()
        control.tenant("acme")?.charge(Tenant.Use(cpuMicroseconds: 7, outputBytes: 8))
        var policy = TenantPolicy(name: "acme")
        policy.cpuSecondsPerDay = 1
        let version = control.version
        control.set([policy, TenantPolicy(name: "other")])
        #expect(control.version > version)
        #expect(control.tenant("acme")?.use.cpuMicroseconds == 7)
        #expect(control.tenant("acme")?.policy.cpuSecondsPerDay == 1)
        #expect(control.caller(user: 0)?.tenant.isOperator == true, "root is an operator over a unix socket")
        #expect(control.caller(user: 1) == nil)
    }
}
