// SPDX-License-Identifier: Apache-2.0

/// An object of the API, of a kind that is listed and watched.
protocol WatchedObject: Decodable, Sendable {
    var metadata: ObjectMetadata { get }
}

extension WatchedObject {
    var name: String { metadata.name ?? "" }
}

struct ObjectMetadata: Decodable, Sendable {
    var name: String?
    var uid: String?
    var resourceVersion: String?
    var deletionTimestamp: String?
    /// Seconds from when the deletion was asked for until it is carried out.
    var deletionGracePeriodSeconds: Int?
    var labels: [String: String]?
    var annotations: [String: String]?
}

struct ObjectCondition: Decodable, Sendable {
    var type: String
    var status: String
    var reason: String?
    var message: String?
}

struct ObjectList<Object: WatchedObject>: Decodable {
    struct Metadata: Decodable { var resourceVersion: String? }
    var metadata: Metadata?
    var items: [Object]
}

/// A line of a watch.
struct WatchEvent<Object: WatchedObject>: Decodable {
    enum Content {
        case changed(Object)
        case deleted(Object)
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
        case "ADDED", "MODIFIED": content = .changed(try container.decode(Object.self, forKey: .object))
        case "DELETED": content = .deleted(try container.decode(Object.self, forKey: .object))
        case "BOOKMARK":
            content = .bookmark(version: try container.decode(Object.self, forKey: .object).metadata.resourceVersion)
        case "ERROR": content = .refused(try container.decode(StatusObject.self, forKey: .object))
        default: content = .unknown
        }
    }
}

/// How an object was seen last.
enum Sight<Object: WatchedObject>: Sendable {
    case seen(Object)
    case gone
}
