// SPDX-License-Identifier: Apache-2.0

package dev.berth.conformance;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.ArrayList;
import java.util.Map;
import java.util.Set;

/** A line of a scenario: a verb and its words. Remembers which were asked for, to tell those that were not. */
final class Step {
    private final String verb;
    private final Map<String, List<byte[]>> words = new LinkedHashMap<>();
    private final Set<String> used = new HashSet<>(Set.of("client", "within_ms", "reason"));

    private Step(String verb) {
        this.verb = verb;
    }

    static Step parse(String line) {
        String[] parts = line.split(" ");
        Step step = new Step(parts[0]);
        for (int i = 1; i < parts.length; i++) {
            int equals = parts[i].indexOf('=');
            step.words
                    .computeIfAbsent(parts[i].substring(0, equals), key -> new ArrayList<>())
                    .add(Bytes.decode(parts[i].substring(equals + 1)));
        }
        return step;
    }

    String verb() {
        return verb;
    }

    boolean has(String key) {
        used.add(key);
        return words.containsKey(key);
    }

    byte[] bytes(String key) {
        return has(key) ? words.get(key).get(0) : new byte[0];
    }

    String text(String key, String otherwise) {
        return has(key) ? new String(bytes(key), StandardCharsets.UTF_8) : otherwise;
    }

    List<byte[]> all(String key) {
        used.add(key);
        return words.getOrDefault(key, List.of());
    }

    List<String> texts(String key) {
        used.add(key);
        return words.getOrDefault(key, List.of()).stream()
                .map(value -> new String(value, StandardCharsets.UTF_8))
                .toList();
    }

    long number(String key, long otherwise) {
        return has(key) ? Long.parseLong(text(key, "")) : otherwise;
    }

    /** The value, as often as the step says. */
    byte[] repeated(String key, String times) {
        byte[] piece = bytes(key);
        int count = (int) number(times, 1);
        byte[] all = new byte[piece.length * count];
        for (int i = 0; i < count; i++) {
            System.arraycopy(piece, 0, all, i * piece.length, piece.length);
        }
        return all;
    }

    /** What an error of this step is about. */
    String subject() {
        String name = switch (verb) {
            case "acquire", "start", "attach", "read-archive", "open-context", "fork-context", "dial" -> text("as", "");
            case "renew", "release", "executions", "contexts" -> text("lease", "");
            case "close-context", "complete", "inspect" -> text("context", "");
            case "read", "finish", "text", "events" -> null;
            case "input", "signal", "cancel", "resize", "detach" -> text("exec", "");
            case "write-file", "read-file", "list", "remove", "stat", "make-directory", "rename", "change-mode" ->
                Bytes.encode(bytes("path"));
            case "write-archive" -> text("archive", "");
            default -> "";
        };
        if (name == null) {
            return text("exec", "");
        }
        return name.isEmpty() ? verb : verb + " " + name;
    }

    /** A word that nothing has asked for; null if there is none. */
    String unused() {
        return words.keySet().stream().filter(key -> !used.contains(key)).findFirst().orElse(null);
    }
}
