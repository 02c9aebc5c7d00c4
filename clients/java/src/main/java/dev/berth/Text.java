// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.OutputStream;

/**
 * A piece of what a program wrote, in whole characters.
 *
 * @param dropped bytes that were no longer held, and are missing behind this text
 */
public record Text(OutputStream stream, String text, long dropped) {}
