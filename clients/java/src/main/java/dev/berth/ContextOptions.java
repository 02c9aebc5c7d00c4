// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.OpenContextRequest;
import java.util.Map;

/** An interpreter to start, and how. What is not set is the server's choice. */
public final class ContextOptions {
    final OpenContextRequest.Builder request = OpenContextRequest.newBuilder();

    /** @param language {@code "python"}, {@code "bash"}, {@code "sh"} or {@code "node"} */
    public ContextOptions(String language) {
        request.setLanguage(language);
    }

    public ContextOptions env(String name, String value) {
        return env(Words.bytes(name, "a name in env"), Words.bytes(value, "env " + name));
    }

    /** The same of bytes, for what is not UTF-8. */
    public ContextOptions env(byte[] name, byte[] value) {
        Words.putVariable(name, value, request::putEnv, request::addEnvRaw);
        return this;
    }

    public ContextOptions env(Map<String, String> env) {
        env.forEach(this::env);
        return this;
    }

    /** The directory it begins in; absolute. */
    public ContextOptions cwd(String directory) {
        return cwd(Words.bytes(directory, "cwd"));
    }

    /** The same of bytes, for what is not UTF-8. */
    public ContextOptions cwd(byte[] directory) {
        Words.put(directory, request.clearCwdRaw()::setCwd, request.clearCwd()::setCwdRaw);
        return this;
    }

    /** The user id it runs as. */
    public ContextOptions uid(int uid) {
        request.setUid(uid);
        return this;
    }
}
