// SPDX-License-Identifier: Apache-2.0

import Pool
import Synchronization
import Testing
import TestSupport

@testable import Kubernetes

@Suite("What a cluster takes back", .serialized)
struct EvictionTests {
    /// What the runtime has told.
    final class Told: Sendable {
        private let all = Mutex<[Eviction]>([])
        var evictions: [Eviction] { all.withLock { $0 } }
        var first: Eviction? { evictions.first }
        func add(_ eviction: Eviction) { all.withLock { $0.append(eviction) } }
    }

    /// A member in a pod on the node n1.
    private func with(
        nodes: String? = nil, _ body: (StubAPI, Told) async throws -> Void
    ) async throws {
        try await StubTests().with { runtime, api in
            api.set { $0.nodes = nodes }
            let told = Told()
            runtime.watchEvictions { member, eviction in
                if member == MemberID("one") { told.add(eviction) }
            }
            _ = try await runtime.create(MemberID("one"), MemberTemplate(image: "busybox:latest"))
            try await eventually("the pods are watched") { !api.now.watchers.isEmpty }
            try await body(api, told)
        }
    }

    private static let pod = "berth-stub-h-one"
    private static func shape(_ spec: String, ready: String = "True") -> String {
        #"{"metadata": {"name": "n1"}, "spec": {\#(spec)}, "status": {"conditions": [{"type": "Ready", "status": "\#(ready)"}]}}"#
    }

    @Test("a pod that somebody deletes: with its grace, less a second in which the server ends what runs")
    func deleted() async throws {
        try await with { api, told in
            api.change(Self.pod) {
                $0.deletion = #", "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30"#
            }
            try await eventually("it is told") { told.first != nil }
            #expect(told.first == Eviction("the pod \(Self.pod) is being deleted", grace: .seconds(29)))
        }
    }

    @Test("a pod that is not ready although it runs, since its node is not; one that only begins or ends is no such")
    func notReady() async throws {
        try await with { api, told in
            let running = #""containerStatuses": [{"name": "m", "state": {"running": {}}}]"#
            for status in [
                #"{"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]}"#,
                #"{"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [{"name": "m", "state": {"terminated": {}}}]}"#,
                #"{"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], \#(running)}"#,
            ] {
                api.change(Self.pod) { $0.status = status }
            }
            api.change(Self.pod) {
                $0.status =
                    #"{"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}], \#(running)}"#
            }
            try await eventually("it is told") { told.first != nil }
            #expect(told.evictions == [Eviction("the node n1 is not ready")])
        }
    }

    @Test(
        "a node that is cordoned, or not ready, or gone: all members on it, and those that come to it",
        arguments: [
            (shape(#""unschedulable": true"#), "the node n1 is cordoned"),
            (shape("", ready: "Unknown"), "the node n1 is not ready"),
        ])
    func node(trouble: String, words: String) async throws {
        try await with(nodes: trouble) { api, told in
            // Whichever of node and pod is seen first.
            try await eventually("it is told") { told.first != nil }
            #expect(told.first == Eviction(words))
        }
        try await with(nodes: Self.shape("")) { api, told in
            try await eventually("nodes are watched") { !api.now.nodeWatchers.isEmpty }
            #expect(told.first == nil)
            api.changeNode(trouble)
            try await eventually("it is told") { told.first != nil }
            #expect(told.first == Eviction(words))
        }
    }

    @Test("without the right to look at nodes pods are watched all the same, and the nodes are asked for once")
    func withoutRights() async throws {
        try await with { api, told in
            api.change(Self.pod) { $0.deletion = #", "deletionTimestamp": "x", "deletionGracePeriodSeconds": 1"# }
            try await eventually("it is told") { told.first != nil }
            #expect(told.first?.grace == .milliseconds(500))
            #expect(api.now.calls.count { $0.path.hasSuffix("/nodes") } == 1)
        }
    }
}
