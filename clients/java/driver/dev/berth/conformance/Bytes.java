// SPDX-License-Identifier: Apache-2.0

package dev.berth.conformance;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;

/** Bytes as the scenarios write them. */
final class Bytes {
    private Bytes() {}

    static byte[] decode(String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) == '%') {
                bytes.write(Integer.parseInt(text, i + 1, i + 3, 16));
                i += 2;
            } else {
                bytes.write(text.charAt(i));
            }
        }
        return bytes.toByteArray();
    }

    static String encode(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            if (b >= '!' && b <= '~' && b != '%') {
                text.append((char) b);
            } else {
                text.append(String.format("%%%02X", b & 0xff));
            }
        }
        return text.toString();
    }

    static String encode(Object words) {
        return encode(String.valueOf(words).getBytes(StandardCharsets.UTF_8));
    }

    /** In full where it is short, else its length and checksum. */
    static String summary(byte[] bytes) {
        if (bytes.length <= 128) {
            return encode(bytes);
        }
        CRC32 crc = new CRC32();
        crc.update(bytes);
        return String.format("bytes=%d crc32=%08x", bytes.length, crc.getValue());
    }
}
