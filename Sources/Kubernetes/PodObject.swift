// SPDX-License-Identifier: Apache-2.0

/// A pod as the API tells of it: what is used of that.
struct PodObject: Decodable, Sendable {
    struct Metadata: Decodable, Sendable {
        var name: String?
        var uid: String?
        var resourceVersion: String?
        var deletionTimestamp: String?
        var labels: [String: String]?
        var annotations: [String: String]?
    }

    struct Status: Decodable, Sendable {
        var phase: String?
        var reason: String?
        var message: String?
        var podIP: String?
        var conditions: [Condition]?
        var initContainerStatuses: [Container]?
        var containerStatuses: [Container]?
    }

    struct Condition: Decodable, Sendable {
        var type: String
        var status: String
        var reason: String?
        var message: String?
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

    var metadata: Metadata
    var status: Status?

    var name: String { metadata.name ?? "" }
    var uid: String { metadata.uid ?? "" }
    var isBeingDeleted: Bool { metadata.deletionTimestamp != nil }
    var isRunning: Bool { status?.phase == "Running" }
    /// Whether its containers have ended, for good.
    var hasEnded: Bool { status?.phase == "Succeeded" || status?.phase == "Failed" }
}

struct PodList: Decodable {
    struct Metadata: Decodable { var resourceVersion: String? }
    var metadata: Metadata?
    var items: [PodObject]
}

/// A line of a watch.
struct WatchEvent: Decodable {
    enum Content {
        case changed(PodObject)
        case deleted(PodObject)
        /// Nothing has changed until this version.
        case bookmark(version: String?)
        case refused(StatusObject)
        case unknown
    }

    var content: Content

    enum CodingKeys: String, CodingKey { case type, object }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .type) {
        case "ADDED", "MODIFIED": content = .changed(try container.decode(PodObject.self, forKey: .object))
        case "DELETED": content = .deleted(try container.decode(PodObject.self, forKey: .object))
        case "BOOKMARK":
            content = .bookmark(
                version: try container.decode(PodObject.self, forKey: .object).metadata.resourceVersion)
        case "ERROR": content = .refused(try container.decode(StatusObject.self, forKey: .object))
        default: content = .unknown
        }
    }
}
