// Package proof tests Berth as it would be deployed: the functions' programs and the
// templates, on the simulated AWS of package stack. It takes minutes, and wants what
// `make sim-programs` makes; `make sim-test` runs it.
package proof
