// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

extension LoadReport {
    /// The report as `berth load --json` writes it.
    package func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        do {
            return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
        } catch {
            throw LoadError("the report can't be written as JSON: \(error)")
        }
    }

    /// - Throws: `LoadError` if it is not a report of `berth load`, or has another version of the format.
    package init(json: [UInt8]) throws {
        struct Head: Decodable { var format: Int }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let head = try? decoder.decode(Head.self, from: Data(json)) else {
            throw LoadError("this is not a report of \"berth load --json\"")
        }
        guard head.format == LoadReport.format else {
            throw LoadError(
                "this report has format \(head.format), and this version of berth reads format \(LoadReport.format)")
        }
        do {
            self = try decoder.decode(LoadReport.self, from: Data(json))
        } catch {
            throw LoadError("this report of \"berth load --json\" is damaged: \(error)")
        }
    }
}
