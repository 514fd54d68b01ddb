// Package window is the arithmetic of windows, and the key of a windowed table.
//
// A spec says into which windows a record falls: TimeWindows, SlidingWindows, SessionWindows, UnlimitedWindows, and JoinWindows for the join of two
// streams. A spec is a value; it computes, and holds neither records nor time. Users see time.Duration and time.Time. All arithmetic is in int64
// milliseconds since 1970, as Kafka's; ends and bounds that would overflow stop at math.MaxInt64.
//
// What you owe: constructors check nothing, so that a chain of them stays readable. Validate does, and must have returned nil before any other method
// is used; Build calls it. Timestamps passed to methods are not negative; only the observed time may be, -1, when nothing was seen yet.
//
// Less formally, the rules in which the kinds differ, and which are easily confused:
//
//	            a window is     first start        closed, with T = the largest time seen
//	time        [start, end)    0, aligned         end <= T - grace
//	sliding     [start, end]    0, by the data     end <  T - grace
//	session     [start, end]    by the data        end <  T - grace - gap
//	unlimited   [start, ...)    as given           never
//
// A record whose window is closed is late, and dropped for that window; a window is emitted finally once it is closed. It is one rule for both.
//
// # Keys
//
// The serdes of Key end an encoded key with its window: eight bytes of start, or end and start for sessions. Encoded keys of one user key and window
// kind sort by time; keys of several user keys do not sort by user key, since the user key has no length or end mark.
//
// Windowed keys are partitioned by the bytes of the inner key, so these serdes have a method InnerKey(encoded []byte) []byte, which cuts the window off.
// A partitioner finds it by asserting interface{ InnerKey([]byte) []byte }. What is too short to be a windowed key comes back whole.
package window
