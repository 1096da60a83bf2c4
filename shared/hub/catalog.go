package hub

import "context"

// Catalog lists up to n paths of repositories that the caller may read and that
// sort after last. more says whether there are others behind them. A registry
// token must have been given for the catalogue; its holder's rights count then.
func (h *Hub) Catalog(ctx context.Context, c Caller, last string, n int) (paths []string, more bool, err error) {
	paths = []string{}
	if c.Registry != nil && !c.Registry.Catalog || c.Registry == nil && !c.Known() {
		return paths, false, Fail(Unauthenticated, "the catalogue needs a token for it, or credentials")
	}
	if c, err = h.Holder(ctx, c); err != nil || n == 0 {
		return paths, false, err
	}
	for l, err := range h.visible(ctx, c, last, n+1) {
		if err != nil {
			return paths, false, err
		}
		if len(paths) == n {
			return paths, true, nil
		}
		paths = append(paths, l.path)
	}
	return paths, false, nil
}
