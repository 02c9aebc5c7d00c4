// SPDX-License-Identifier: Apache-2.0

import Access
import Configuration
import Pool
import Testing

/// Reads this text as the file berth.yaml.
func read(
    _ text: String?, _ flags: [FlagValue] = []
) throws(ConfigurationMistakes) -> (ServerConfiguration, warnings: [ConfigurationIssue]) {
    let checks = OutsideChecks(
        addressProblem: { $0.contains(":") ? nil : "\"\($0)\" is not an address" },
        isLocal: { $0.hasPrefix("127.") || $0.hasPrefix("unix:") },
        dockerHostProblem: { $0.hasPrefix("unix://") ? nil : "\"\($0)\" is not a Docker endpoint" })
    return try ConfigurationReader.read(text: text, file: "berth.yaml", flags: flags, checks: checks)
}

/// The lines that report the mistakes of a file.
func mistakes(_ text: String?, _ flags: [FlagValue] = []) -> [String] {
    do {
        _ = try read(text, flags)
        return []
    } catch {
        return error.issues.map(\.description)
    }
}

@Suite("Reading a configuration")
struct ReaderTests {
    @Test("root may be a tenant's user, though no program may run as root")
    func root() throws {
        let (configuration, _) = try read("tenants: {ops: {role: operator, users: [0, 990]}}")
        #expect(configuration.tenants.first?.users == [0, 990])
        #expect(mistakes("uid: 0").count == 1)
    }

    @Test("without file and flags there is one pool, \"default\", and every default of the pool's own types")
    func nothing() throws {
        for text in [nil, "", "# nothing\n"] {
            let (configuration, warnings) = try read(text)
            #expect(configuration == ServerConfiguration())
            #expect(warnings.isEmpty)
            let fleet = configuration.fleetConfiguration(image: "x", memoryBudgetBytes: 7)
            #expect(fleet.pools == [PoolConfiguration(template: MemberTemplate(image: "x"))])
            #expect(fleet.max == 300)
            #expect(fleet.memoryBudgetBytes == 7)
        }
    }

    @Test("a file with two pools is read, in the order of its pools")
    func twoPools() throws {
        let (configuration, warnings) = try read(
            """
            listen: [127.0.0.1:0, unix:/tmp/x]
            runtime: runc
            max: 40
            memory_budget: 2g
            tick: 250ms
            pools:
              python:
                image: python:3.12-slim
                size: {min: 1, max: 8}
                memory: 256m
                cpus: 0.5
                reuse: reset
                max_uses: 50
                max_age: never
              shell:
                image: host
                size: 3
              plain:
            """)
        #expect(warnings.isEmpty)
        #expect(configuration.listen == ["127.0.0.1:0", "unix:/tmp/x"])
        #expect(configuration.runtime == .runc)
        let fleet = configuration.fleetConfiguration(image: "standard", memoryBudgetBytes: 7)
        #expect(fleet.max == 40)
        #expect(fleet.memoryBudgetBytes == 2 << 30)
        #expect(fleet.tick == .milliseconds(250))
        #expect(fleet.pools.map(\.name) == ["python", "shell", "plain"])
        #expect(fleet.pools.map(\.template.image) == ["python:3.12-slim", "host", "standard"])
        #expect(fleet.pools[0].sizing == .adaptive(min: 1, max: 8))
        #expect(fleet.pools[0].template.milliCPUs == 500)
        #expect(fleet.pools[0].template.memoryBytes == 256 << 20)
        #expect(fleet.pools[0].reuse == .reset)
        #expect(fleet.pools[0].maxUses == 50)
        #expect(fleet.pools[0].maxAge == nil)
        #expect(fleet.pools[1].sizing == .fixed(3))
        #expect(configuration.templates(standardImage: "host").map(\.image) == ["python:3.12-slim", "host"])
    }

    @Test("all mistakes are told at once, each with its line, its key and what is allowed")
    func allAtOnce() {
        let found = mistakes(
            """
            listen: 0.0.0.0:7411
            runtme: runc
            tick: soon
            pools:
              default:
                size: 20
                max: 10
                memory: 1x
                reuse: sometimes
                max-age: 5m
                cpus:
            """)
        #expect(found.count == 8)
        for (line, words) in [
            ("berth.yaml:1: listen: 0.0.0.0:7411 is not loopback", "insecure: true"),
            ("berth.yaml:2: runtme: there is no such setting, did you mean runtime?", "; allowed: listen, "),
            ("berth.yaml:3: tick: soon is not a duration; allowed: a duration over 0, e.g. 250ms", ""),
            ("berth.yaml:6: pools.default.size: 20 is more than max 10", ""),
            ("berth.yaml:8: pools.default.memory: 1x is not a size; allowed: a size of at least 8m", ""),
            ("berth.yaml:9: pools.default.reuse: sometimes is not allowed; allowed: never or reset", ""),
            ("berth.yaml:10: pools.default.max-age: there is no such setting, did you mean max_age?", ""),
            ("berth.yaml:11: pools.default.cpus: it has no value; allowed: a number from 0.01 to 4096", ""),
        ] {
            #expect(found.contains { $0.hasPrefix(line) && $0.contains(words) }, "\(line) in \(found)")
        }
    }

    @Test(
        "a value out of its range, or of another kind, is a mistake",
        arguments: [
            "listen: []", "listen: nonsense", "listen: [127.0.0.1:1, 127.0.0.1:1]", "listen: {a: b}",
            "insecure: yes please", "max: 0", "max: 1.5", "uid: 0", "uid: -1", "memory_budget: 1m",
            "docker_host: ftp://x", "instance: Über", "log_level: loud", "default_wait: 2h", "execution_timeout: 25h",
            "execution_grace: 0", "memory_budget: 64m", "pools: []", "pools: {}", "pools: {\"a b\": {}}",
            "pools: {a: 3}", "pools: {a: {size: -1}}", "pools: {a: {size: {min: 3, max: 2}}}",
            "pools: {a: {size: {min: 3}}}", "pools: {a: {size: {min: 1, max: 99}}}", "pools: {a: {cpus: nan}}",
            "pools: {a: {age_jitter: 2}}", "pools: {a: {tmpfs_paths: [tmp]}}", "pools: {a: {lease: 0s}}",
            "pools: {a: {image: ''}}", "{runtime: docker, pools: {a: {image: host}}}", "[1, 2]", "just words",
            "max: [1", "a: b: c", "max: 1\nmax: 2", "\tmax: 1", "max: *none",
        ])
    func wrong(_ text: String) {
        let found = mistakes(text)
        #expect(found.count == 1, "\(found)")
        #expect(found.allSatisfy { $0.hasPrefix("berth.yaml:") && !$0.contains("\n") }, "\(found)")
    }

    @Test(
        "E26: writable directories on which no program could start are refused",
        arguments: [
            ("[/tmp, /dev]", "/dev is the runtime's own"), ("[/proc/sys]", "/proc/sys is the runtime's own"),
            ("[/.berth/x]", "/.berth/x is the runtime's own"), ("[/tmp, /usr]", "/usr holds the image's programs"),
            ("[/lib64]", "/lib64 holds the image's programs"), ("[/tmp/a, /tmp]", "/tmp/a is within /tmp"),
            ("[/tmp, /b, /tmp/a/b]", "/tmp/a/b is within /tmp"), ("[/tmp/../etc]", "/tmp/../etc is not allowed"),
            ("[/tmp/]", "/tmp/ is not allowed"), ("/", "/ is not allowed"), ("[tmp]", "tmp is not allowed"),
        ])
    func unwritable(_ paths: String, _ words: String) {
        let found = mistakes("pools: {a: {tmpfs_paths: \(paths)}}")
        #expect(found.count == 1 && found[0].contains("pools.a.tmpfs_paths: \(words)"), "\(found)")
    }

    @Test("directories beside each other, and below a directory of programs, can be writable")
    func writable() {
        #expect(mistakes("pools: {a: {tmpfs_paths: [/tmp, /tmp-a, /usr/local, /etc, /..a, '/x y,z:1']}}").isEmpty)
    }

    @Test("limits that are just reached are no mistake")
    func limits() {
        let text = "default_wait: 1m\nmax_wait: 1m\nmemory_budget: 128m\npools: {a: {size: 3, max: 3}}"
        #expect(mistakes(text).isEmpty)
    }

    @Test("a mistake of the YAML itself has its line")
    func syntax() {
        #expect(mistakes("max: 1\ntick: [1\n").first?.hasPrefix("berth.yaml:") == true)
        #expect(mistakes("max: 1\n\n\ttick: 1\n").first?.hasPrefix("berth.yaml:3: this is not valid YAML") == true)
        #expect(mistakes("max: 1\nmax: 2\n").first?.contains("defined twice") == true)
    }

    @Test("settings without effect are warned about, and count otherwise")
    func warnings() throws {
        let (configuration, warnings) = try read(
            """
            runtime: runc
            docker_host: unix:///x
            insecure: true
            max: 3
            max_resets: 4
            pools:
              a:
                size: 2
                max: 5
                reset_timeout: 1s
                max_uses: 3
                max_age: never
                age_jitter: 0.5
                surplus_interval: 1s
                health_interval: never
                ping_timeout: 1s
              b: {size: 2}
            """)
        #expect(
            warnings.map(\.key)
                == [
                    "docker_host", "insecure", "max", "max_resets", "pools.a.max", "pools.a.reset_timeout",
                    "pools.a.max_uses", "pools.a.age_jitter", "pools.a.surplus_interval", "pools.a.ping_timeout",
                ].sorted { line(warnings, $0) < line(warnings, $1) })
        #expect(warnings.allSatisfy { $0.description.hasPrefix("berth.yaml:") })
        #expect(configuration.pools[0].pool.resetTimeout == .seconds(1))
    }

    private func line(_ issues: [ConfigurationIssue], _ key: String) -> Int {
        guard case .file(_, let line)? = issues.first(where: { $0.key == key })?.place else { return 0 }
        return line
    }

    @Test("flags override the file, those of a pool in every pool")
    func flags() throws {
        let text = "uid: 5\npools: {a: {size: 1, max: 9}, b: {size: 2}}"
        let (configuration, _) = try read(
            text,
            [
                FlagValue("--size", .pools, "size", ["4"]), FlagValue("--uid", .server, "uid", ["7"]),
                FlagValue("--listen", .server, "listen", ["127.0.0.1:1", "[::1]:2"]),
                FlagValue("--insecure", .server, "insecure", ["true"]),
            ])
        #expect(configuration.uid == 7)
        #expect(configuration.listen == ["127.0.0.1:1", "[::1]:2"])
        #expect(configuration.pools.map(\.pool.size) == [4, 4])
        #expect(configuration.pools.map(\.pool.max) == [9, 16])
        let (adaptive, _) = try read(nil, [FlagValue("--size", .pools, "size", ["{min: 1, max: 3}"])])
        #expect(adaptive.pools[0].pool.sizing == .adaptive(min: 1, max: 3))
    }

    @Test("a flag's mistake names the flag, once for all pools")
    func flagMistakes() {
        let text = "pools: {a: {}, b: {}}"
        #expect(
            mistakes(text, [FlagValue("--memory", .pools, "memory", ["1x"])]) == [
                "--memory 1x is not a size; allowed: a size of at least 8m, e.g. 65536, 128m or 1.5g"
            ])
        let size = FlagValue("--size", .pools, "size", ["9"])
        #expect(mistakes(nil, [size, FlagValue("--max", .pools, "max", ["3"])]) == ["--size 9 is more than --max 3"])
        #expect(mistakes(nil, [FlagValue("--max", .pools, "max", ["1"])]) == ["--max 1 is less than size 2"])
    }
}
