// SPDX-License-Identifier: Apache-2.0

/// A machine of the cluster as the API tells of it: what is used of that.
struct NodeObject: WatchedObject {
    struct Spec: Decodable, Sendable {
        var unschedulable: Bool?
    }

    struct Status: Decodable, Sendable {
        var conditions: [ObjectCondition]?
    }

    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?

    /// Why nothing new should begin on it; nil if it may.
    var trouble: String? {
        if spec?.unschedulable == true { return "the node \(name) is cordoned" }
        guard let ready = status?.conditions?.first(where: { $0.type == "Ready" }), ready.status != "True" else {
            return nil
        }
        return "the node \(name) is not ready"
    }
}
