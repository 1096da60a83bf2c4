package dynamodb

import (
	"math/big"
	"strconv"
	"strings"
)

// dec is an exact decimal: c * 10^e, c without trailing zeros.
type dec struct {
	c *big.Int
	e int
}

var ten = big.NewInt(10)

func parseDec(s string) (dec, error) {
	bad := validation("A value provided cannot be converted into a number")
	t := s
	exp := 0
	if i := strings.IndexAny(t, "eE"); i >= 0 {
		x, err := strconv.Atoi(strings.TrimPrefix(t[i+1:], "+"))
		if err != nil {
			return dec{}, bad
		}
		exp, t = x, t[:i]
	}
	neg := false
	if strings.HasPrefix(t, "-") || strings.HasPrefix(t, "+") {
		neg, t = t[0] == '-', t[1:]
	}
	if i := strings.IndexByte(t, '.'); i >= 0 {
		exp -= len(t) - i - 1
		t = t[:i] + t[i+1:]
	}
	if t == "" || strings.Trim(t, "0123456789") != "" {
		return dec{}, bad
	}
	c, ok := new(big.Int).SetString(t, 10)
	if !ok {
		return dec{}, bad
	}
	if neg {
		c.Neg(c)
	}
	return norm(dec{c, exp})
}

func norm(d dec) (dec, error) {
	if d.c.Sign() == 0 {
		return dec{new(big.Int), 0}, nil
	}
	s := new(big.Int).Abs(d.c).String()
	z := len(s) - len(strings.TrimRight(s, "0"))
	if z > 0 {
		d.c = new(big.Int).Quo(d.c, new(big.Int).Exp(ten, big.NewInt(int64(z)), nil))
		d.e += z
	}
	digits := len(s) - z
	if digits > 38 {
		return d, validation("Attempting to store more than 38 significant digits in a Number")
	}
	if mag := digits + d.e - 1; mag > 125 {
		return d, validation("Number overflow. Attempting to store a number with magnitude larger than supported range")
	} else if mag < -130 {
		return d, validation("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return d, nil
}

func (d dec) String() string {
	s := new(big.Int).Abs(d.c).String()
	if d.e > 0 {
		s += strings.Repeat("0", d.e)
	} else if d.e < 0 {
		if n := -d.e - len(s) + 1; n > 0 {
			s = strings.Repeat("0", n) + s
		}
		s = s[:len(s)+d.e] + "." + s[len(s)+d.e:]
	}
	if d.c.Sign() < 0 {
		s = "-" + s
	}
	return s
}

func align(a, b dec) (*big.Int, *big.Int, int) {
	x, y := a.c, b.c
	e := a.e
	if b.e < e {
		e = b.e
	}
	if a.e > e {
		x = new(big.Int).Mul(x, new(big.Int).Exp(ten, big.NewInt(int64(a.e-e)), nil))
	}
	if b.e > e {
		y = new(big.Int).Mul(y, new(big.Int).Exp(ten, big.NewInt(int64(b.e-e)), nil))
	}
	return x, y, e
}
func addDec(a, b dec, sub bool) (dec, error) {
	x, y, e := align(a, b)
	if sub {
		return norm(dec{new(big.Int).Sub(x, y), e})
	}
	return norm(dec{new(big.Int).Add(x, y), e})
}
func cmpDec(a, b dec) int { x, y, _ := align(a, b); return x.Cmp(y) }

// sortable encodes d so that bytes.Compare orders numerically; self-terminating.
func (d dec) sortable() []byte {
	if d.c.Sign() == 0 {
		return []byte{0x80, 0, 1}
	}
	s := new(big.Int).Abs(d.c).String()
	mag := len(s) + d.e + 200 // >0
	b := []byte{byte(mag >> 8), byte(mag)}
	b = append(b, s...)
	b = append(b, 0)
	if d.c.Sign() < 0 {
		for i := range b {
			b[i] = ^b[i]
		}
		return append(append([]byte{0x40}, b...), 0, 1)
	}
	return append(append([]byte{0xc0}, b...), 0, 1)
}
