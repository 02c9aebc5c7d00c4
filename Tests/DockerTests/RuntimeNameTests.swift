// SPDX-License-Identifier: Apache-2.0

import Docker
import FoundationEssentials
import Pool
import Testing
import TestSupport

@Suite("the low-level runtime of containers", .serialized)
struct RuntimeNameTests {
    private func template(_ name: String?) -> MemberTemplate {
        var template = MemberTemplate()
        template.runtimeName = name
        return template
    }

    private func refusal(_ bench: Bench, _ name: String) async throws -> RuntimeError {
        do {
            try await bench.runtime.prepare(template(name))
        } catch {
            return error
        }
        throw NeverHappened(description: "\(name) is refused")
    }

    @Test("a member has the one that its pool names, and the engine's usual one if it names none")
    func named() async throws {
        try await Bench.withDocker("named") { bench in
            for (member, name, shown) in [
                ("one", "io.containerd.runc.v2", "io.containerd.runc.v2"), ("two", nil, "runc"),
            ] {
                try await bench.runtime.prepare(template(name))
                let line = Line(try await bench.runtime.create(MemberID(member), template(name)))
                let details = try Bench.ask("GET", "/containers/berth-named-\(member)/json")
                #expect(details.firstMatch(of: /"Runtime":"([^"]*)"/)?.1 == Substring(shown))
                #expect(try line.ask("echo here") == "here\n")
                try await bench.runtime.remove(MemberID(member))
            }
        }
    }

    @Test("one that the engine lacks is refused before the first create, with those it has and what to do")
    func missing() async throws {
        try await Bench.withDocker("missing") { bench in
            let error = try await refusal(bench, "runsc")
            #expect(error.cause == .invalidConfiguration)
            #expect(error.message.hasPrefix("runtime_name runsc: Docker "), "\(error)")
            #expect(error.message.contains("has no runtime of that name, only ") && error.message.contains("runc"))
            #expect(error.message.hasSuffix("add it to \"runtimes\" in its daemon.json and restart it"), "\(error)")
        }
    }

    @Test("Podman uses its own, and so any other is refused")
    func podman() async throws {
        try await Bench.withStub("s-runtimes") { bench, engine in
            engine.setFaults {
                $0.version = #"{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine"}]}"#
                $0.info =
                    #"{"DefaultRuntime":"crun","Runtimes":{"crun":{"path":"/usr/bin/crun"},"kata":{"path":"/x"}}}"#
            }
            try await bench.runtime.prepare(template("crun"))
            let error = try await refusal(bench, "kata")
            #expect(error.cause == .invalidConfiguration && error.message.contains("now crun"), "\(error)")
        }
    }

    @Test("how the agent comes into a container is found out for each of them")
    func carriers() async throws {
        try await Bench.withStub("s-carriers") { bench, engine in
            let usual = Line(try await bench.runtime.create(MemberID("one"), template(nil)))
            engine.setFaults { $0.exitsAtOnce = 1 }
            // The agent's mounted socket can't be reached, and only for these containers the other way is tried, for which the
            // stub has no volumes.
            let before = engine.count(.other)
            await #expect(throws: RuntimeError.self) {
                _ = try await bench.runtime.create(MemberID("two"), template("runsc"))
            }
            let after = engine.count(.other)
            #expect(after > before)
            await #expect(throws: RuntimeError.self) {
                _ = try await bench.runtime.create(MemberID("three"), template(nil))
            }
            #expect(engine.count(.other) == after)
            for member in ["one", "two", "three"] { try await bench.runtime.remove(MemberID(member)) }
            withExtendedLifetime(usual) {}
        }
    }
}
