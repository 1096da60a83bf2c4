package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envName is the environment variable of a flag: public-url → BERTH_PUBLIC_URL.
func envName(flag string) string {
	return "BERTH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// withEnv lets the command's flags, or only those that are named, come from the
// environment as well, and says so in its help. Flags given on the command line win.
// A number or a duration must not be negative.
func withEnv(c *cobra.Command, only ...string) *cobra.Command {
	each := func(do func(*pflag.Flag)) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && (len(only) == 0 || slices.Contains(only, f.Name)) {
				do(f)
			}
		})
	}
	each(func(f *pflag.Flag) { f.Usage += " (" + envName(f.Name) + ")" })
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		var failed error
		each(func(f *pflag.Flag) {
			value, ok := os.LookupEnv(envName(f.Name))
			if !ok || f.Changed {
				return
			}
			if err := f.Value.Set(value); err != nil && failed == nil {
				failed = wrongUse("%s: %w", envName(f.Name), plainly(err))
			}
		})
		each(func(f *pflag.Flag) {
			switch f.Value.Type() {
			case "int", "int64", "duration":
				if failed == nil && strings.HasPrefix(f.Value.String(), "-") {
					failed = wrongUse("--%s (%s) must not be negative, as %s is", f.Name, envName(f.Name), f.Value)
				}
			}
		})
		return failed
	}
	return c
}

// plainly says what a flag of the standard kinds wants, whose own errors name Go's functions.
func plainly(err error) error {
	var number *strconv.NumError
	if errors.As(err, &number) {
		want := "a whole number"
		if number.Func == "ParseBool" {
			want = "true or false"
		}
		return fmt.Errorf("must be %s, not %q", want, number.Num)
	}
	return err
}

// noArgs refuses words that belong to no flag.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUse("%s takes no %q; `%s --help` lists what there is", c.CommandPath(), args[0], c.CommandPath())
	}
	return nil
}

// oneOf is a flag with few values.
type oneOf struct {
	value   string
	allowed []string
}

func (o *oneOf) String() string { return o.value }
func (o *oneOf) Type() string   { return strings.Join(o.allowed, "|") }
func (o *oneOf) Set(s string) error {
	for _, a := range o.allowed {
		if s == a {
			o.value = s
			return nil
		}
	}
	return fmt.Errorf("must be %s, not %q", strings.Join(o.allowed, " or "), s)
}

// group is a command that only has others below it: by itself it shows its help.
func group(c *cobra.Command, below ...*cobra.Command) *cobra.Command {
	c.Args = noArgs
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(below...)
	return c
}
