// SPDX-License-Identifier: Apache-2.0

package berth

// Result is what a program wrote, and its end. MaxOutput bounds what is collected: in the server, not here.
type Result struct {
	Stdout, Stderr []byte
	// Displays is what a piece of code has shown, in order.
	Displays []Display
	// Failure is how a piece of code failed; nil: it has not.
	Failure *Failure
	End
}

// Text is Stdout as UTF-8, with U+FFFD for what is none.
func (r *Result) Text() string { return valid(r.Stdout) }

// Value is the value of a piece's last expression as text; empty where it has none, or is not shown.
func (r *Result) Value() string {
	for i := len(r.Displays) - 1; i >= 0; i-- {
		if r.Displays[i].Result {
			return r.Displays[i].Text()
		}
	}
	return ""
}

// collect takes all that is left.
func (e *Execution) collect() (*Result, error) {
	result := &Result{}
	written := [2]*[]byte{&result.Stdout, &result.Stderr}
	for {
		event, err := e.Next()
		if err != nil {
			return nil, err
		}
		switch event := event.(type) {
		case Output:
			*written[event.Stream] = append(*written[event.Stream], event.Data...)
		case *Dropped:
			return nil, event
		case Display:
			result.Displays = append(result.Displays, event)
		case *Failure:
			result.Failure = event
		case End:
			result.End = event
			return result, nil
		}
	}
}
