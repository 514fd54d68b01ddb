// Package traffic makes up what the examples live on: payments, cards and card transactions that look like real ones. Some merchants have most of
// the customers, some payments are never settled, some arrive out of order and a few much too late, and now and then a card is used far too fast.
//
// What you get: sequences without end, equal for equal seeds. Arrive is when a record reaches Kafka, and never goes back; the record's own At is
// when it happened, which is before. Play lets the time of arrival run, so that event time goes by at a multiple of the clock on the wall.
//
// What you owe: one goroutine per sequence.
package traffic
