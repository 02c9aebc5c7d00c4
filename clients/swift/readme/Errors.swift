// SPDX-License-Identifier: Apache-2.0

import Berth

func read(_ path: String, _ client: BerthClient, _ lease: Lease) async throws -> [UInt8]? {
    do {
        return try await client.readFile(path, in: lease).collect()
    } catch let error as BerthError where error.code == .notFound && error.reason == .noSuchFile {
        return nil
    }
}

func watch(_ command: Command, _ client: BerthClient) async throws {
    var command = command
    command.resumable = .seconds(60)
    var execution = client.execute(command)
    while true {
        do {
            for try await case .output(let output) in execution { print(output.data.count) }
            return
        } catch let error as BerthError where error.code == .unavailable {
            execution = try client.resume(execution)
        }
    }
}
