package manage

import "hash/fnv"

// The vendor's API knows integers as ids; the hub's own are text. A number is made
// from the id's hash: the same for the same thing at all times, positive, and
// small enough for the SDK's int32 or for a JSON number. Nothing is looked up by it.
func number31(id string) int64 { return int64(number(id) >> 33) }

func number53(id string) int64 { return int64(number(id) >> 11) }

func number(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}
