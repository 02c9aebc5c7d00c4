// SPDX-License-Identifier: Apache-2.0

import Console
import Logging

extension Journal {
    /// The prefix of a log level, for example `<4>`, as in sd-daemon(3).
    static func prefix(_ level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "<7>"
        case .info: "<6>"
        case .notice: "<5>"
        case .warning: "<4>"
        case .error: "<3>"
        case .critical: "<2>"
        }
    }
}
