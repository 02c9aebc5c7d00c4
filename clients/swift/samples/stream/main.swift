// SPDX-License-Identifier: Apache-2.0

// Runs a snippet, and shows what it writes as it writes it.
import Berth

let snippet = """
    import time
    for number in range(3):
        print(number, flush=True)
        time.sleep(0.2)
    """

try await BerthClient.withClient { client in
    let execution = client.execute(Command(code: snippet, language: "python", timeout: .seconds(10)))
    for try await event in execution {
        switch event {
        case .output(let output): print(output.stream, output.data.count, "bytes")
        case .dropped(let dropped): print(dropped.bytes, "bytes are lost")
        case .ended(let ended): print(ended.cause, ended.exitCode)
        default: break
        }
    }
}
