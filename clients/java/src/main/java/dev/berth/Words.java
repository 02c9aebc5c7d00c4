// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** What Linux knows as bytes, and Java mostly as text. */
final class Words {
    private Words() {}

    /** @throws IllegalArgumentException for half of a surrogate pair, which would become "?" without a word */
    static byte[] bytes(String text, String what) {
        try {
            ByteBuffer encoded = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
            byte[] bytes = new byte[encoded.remaining()];
            encoded.get(bytes);
            return bytes;
        } catch (CharacterCodingException broken) {
            throw new IllegalArgumentException(
                    what + " has half of a surrogate pair; bytes that are no text are passed as byte[]", broken);
        }
    }

    /** @return itself, when it can be sent as it is */
    static String text(String text, String what) {
        bytes(text, what);
        return text;
    }

    static boolean isText(byte[] bytes) {
        return ByteString.copyFrom(bytes).isValidUtf8();
    }

    /** Sets the field of text, or, where it is not UTF-8, that of bytes beside it. */
    static void put(byte[] bytes, Consumer<String> text, Consumer<ByteString> raw) {
        ByteString string = ByteString.copyFrom(bytes);
        if (string.isValidUtf8()) {
            text.accept(string.toStringUtf8());
        } else {
            raw.accept(string);
        }
    }

    /** The same of a variable of the environment. */
    static void putVariable(
            byte[] name, byte[] value, BiConsumer<String, String> text, Consumer<ByteString> raw) {
        if (isText(name) && isText(value)) {
            text.accept(new String(name, StandardCharsets.UTF_8), new String(value, StandardCharsets.UTF_8));
        } else {
            raw.accept(ByteString.copyFrom(name)
                    .concat(ByteString.copyFromUtf8("="))
                    .concat(ByteString.copyFrom(value)));
        }
    }
}
