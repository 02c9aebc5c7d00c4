// SPDX-License-Identifier: Apache-2.0

/// A pod as the API tells of it: what is used of that.
struct PodObject: WatchedObject {
    struct Spec: Decodable, Sendable {
        var nodeName: String?
    }

    struct Status: Decodable, Sendable {
        var phase: String?
        var reason: String?
        var message: String?
        var podIP: String?
        var conditions: [ObjectCondition]?
        var initContainerStatuses: [Container]?
        var containerStatuses: [Container]?
    }

    struct Container: Decodable, Sendable {
        struct State: Decodable, Sendable {
            var waiting: Waiting?
            var terminated: Terminated?
        }
        struct Waiting: Decodable, Sendable {
            var reason: String?
            var message: String?
        }
        struct Terminated: Decodable, Sendable {
            var exitCode: Int?
            var reason: String?
            var message: String?
        }
        var name: String
        var image: String?
        var state: State?
    }

    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?

    var uid: String { metadata.uid ?? "" }
    var isBeingDeleted: Bool { metadata.deletionTimestamp != nil }
    var isRunning: Bool { status?.phase == "Running" }
    /// Whether its containers have ended, for good.
    var hasEnded: Bool { status?.phase == "Succeeded" || status?.phase == "Failed" }
}
