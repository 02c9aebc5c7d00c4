// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import dev.berth.v1.Display;
import dev.berth.v1.Failure;
import dev.berth.v1.InspectResponse;
import dev.berth.v1.MimeData;
import java.util.List;
import java.util.Optional;

/** What a piece of code shows beside its output, for people. */
public final class Shown {
    private static final String PLAIN = "text/plain";

    private Shown() {}

    /** One of its forms, by its MIME type: {@code "image/png"} … */
    public static Optional<ByteString> form(Display display, String mime) {
        return form(display.getDataList(), mime);
    }

    /** One of its forms, by its MIME type. */
    public static Optional<ByteString> form(InspectResponse known, String mime) {
        return form(known.getDataList(), mime);
    }

    private static Optional<ByteString> form(List<MimeData> forms, String mime) {
        return forms.stream().filter(form -> form.getMime().equals(mime)).findFirst().map(MimeData::getData);
    }

    /** Its plain text; empty where it has none. */
    public static String text(Display display) {
        return form(display, PLAIN).map(ByteString::toStringUtf8).orElse("");
    }

    /** What is known as plain text; empty where nothing is. */
    public static String text(InspectResponse known) {
        return form(known, PLAIN).map(ByteString::toStringUtf8).orElse("");
    }

    /** {@code ValueError: the message}. */
    public static String text(Failure failure) {
        return failure.getMessage().isEmpty() ? failure.getName() : failure.getName() + ": " + failure.getMessage();
    }
}
