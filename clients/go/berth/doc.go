// SPDX-License-Identifier: Apache-2.0

// Package berth runs programs in warm containers of a Berth server.
//
//	client, err := berth.Dial(ctx, "")
//	if err != nil { … }
//	defer client.Close()
//	result, err := client.Run(ctx, berth.Shell("echo hello"))
//
// A Client is one connection for any number of concurrent calls. When it breaks, open calls fail with Unavailable at
// once, and the next call connects again. What a program wrote is read with the readers of an Execution or as events;
// how it ended is an End. Every failure of a call is an *Error with one of gRPC's codes.
//
// A Context is an interpreter in a lease that keeps its variables from one piece of code to the next; not to be taken for
// a context.Context.
package berth
