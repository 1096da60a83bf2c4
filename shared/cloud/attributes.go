package cloud

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"berth/shared/store"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func keyOf(k store.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{PartAttribute: str(k.Part), SortAttribute: str(k.Sort)}
}

// itemOf reads an item of a table. Attributes that Berth did not write are passed over.
func itemOf(t store.Table, av map[string]types.AttributeValue) (store.Item, error) {
	it := store.Item{Key: store.Key{Table: t}}
	for name, a := range av {
		switch a := a.(type) {
		case *types.AttributeValueMemberS:
			switch name {
			case PartAttribute:
				it.Part = a.Value
			case SortAttribute:
				it.Sort = a.Value
			}
		case *types.AttributeValueMemberB:
			if name == valueAttribute {
				it.Value = a.Value
			}
		case *types.AttributeValueMemberN:
			n, err := strconv.ParseInt(a.Value, 10, 64)
			if err != nil {
				return it, fmt.Errorf("attribute %q of an item of table %s is no integer: %w", name, t, store.ErrUnavailable)
			}
			count, isCount := strings.CutPrefix(name, countPrefix)
			switch {
			case isCount:
				if it.Counts == nil {
					it.Counts = map[string]int64{}
				}
				it.Counts[count] = n
			case name == versionAttribute:
				it.Version = n
			case name == ExpiresAttribute:
				it.Expires = time.Unix(n, 0).UTC()
			}
		}
	}
	if it.Version == 0 {
		return it, fmt.Errorf("item %s was not written by Berth: it has no version: %w", it.Key, store.ErrUnavailable)
	}
	return it, nil
}

// chances draws what makes a transaction one of its kind: a token of 32 hex
// digits (DynamoDB takes up to 36 characters) and n versions of 63 bits. Versions
// are random, so that one is never used again even where nothing is left of an
// earlier item.
func chances(n int) (token string, versions []int64) {
	b := make([]byte, 16+8*n)
	rand.Read(b) // never fails
	token = hex.EncodeToString(b[:16])
	for b = b[16:]; len(b) > 0; b = b[8:] {
		v := int64(binary.BigEndian.Uint64(b) >> 1)
		versions = append(versions, max(v, 1))
	}
	return token, versions
}
