// SPDX-License-Identifier: Apache-2.0

/// A message of a client, whose form has been checked.
package enum Incoming: Sendable, Equatable {
    case request(Request)
    case notification(method: String, params: JSONObject)
    /// An answer: this server asks nothing, so there is nothing to do.
    case response

    package struct Request: Sendable, Equatable {
        package var id: RequestID
        package var method: String
        package var params: JSONObject

        package init(id: RequestID, method: String, params: JSONObject = JSONObject()) {
            self.id = id
            self.method = method
            self.params = params
        }

        package var meta: JSONObject { params["_meta"]?.object ?? JSONObject() }

        /// What progress notifications of it are to carry; nil if none are wanted.
        package var progressToken: JSONValue? {
            meta["progressToken"].flatMap { $0.string != nil || $0.integer != nil ? $0 : nil }
        }
    }

    /// A message that can't be served, and whom to tell.
    package struct Refusal: Error, Equatable {
        /// Nil where it can't be told.
        package var id: RequestID?
        package var failure: ProtocolFailure
    }

    package init(_ value: JSONValue) throws(Refusal) {
        guard let object = value.object else {
            throw Refusal(failure: .invalidRequest("a message must be an object, and this is \(value.kind)"))
        }
        let id = object["id"].flatMap { RequestID($0) }
        func refuse(_ message: String) -> Refusal { Refusal(id: id, failure: .invalidRequest(message)) }
        guard object["jsonrpc"]?.string == "2.0" else { throw refuse("\"jsonrpc\" must be \"2.0\"") }
        guard let method = object["method"] else {
            guard object["result"] != nil || object["error"] != nil else { throw refuse("\"method\" is missing") }
            self = .response
            return
        }
        guard let name = method.string else { throw refuse("\"method\" must be a string, and is \(method.kind)") }
        if let given = object["id"], id == nil {
            throw refuse("\"id\" must be a string or a whole number, and is \(given.kind)")
        }
        guard let id else {
            // Never answered, so a mistake in it can't be told either.
            self = .notification(method: name, params: object["params"]?.object ?? JSONObject())
            return
        }
        let params = object["params"] ?? .object(JSONObject())
        guard let members = params.object else {
            throw Refusal(id: id, failure: .invalidParameters("\"params\" must be an object, and is \(params.kind)"))
        }
        if let meta = members["_meta"], meta.object == nil {
            throw Refusal(id: id, failure: .invalidParameters("\"_meta\" must be an object, and is \(meta.kind)"))
        }
        self = .request(Request(id: id, method: name, params: members))
    }
}
