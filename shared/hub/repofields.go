package hub

import (
	"net/url"
	"slices"
	"unicode/utf8"
)

// DefaultLogo is the logo of repositories that have none of their own.
const DefaultLogo = "default-icon.jpg"

// Limits of a repository's fields.
const (
	maxDescription = 100      // characters
	maxReadme      = 64 << 10 // bytes
	maxLogo        = 255      // bytes
)

// Categories are what a repository may be filed under.
var Categories = []string{"app_server", "linux", "framework_app", "database", "lang", "other", "windows", "arms", "arm"}

// DefaultCategory is where a repository is filed if nothing was said.
const DefaultCategory = "other"

// CheckCategory says whether s is one of [Categories].
func CheckCategory(s string) error {
	if !slices.Contains(Categories, s) {
		return FailField("category", "must be one of app_server, linux, framework_app, database, lang, other, windows, arms, not %q", s)
	}
	return nil
}

// CheckDescription says whether a description is short enough: 100 characters.
func CheckDescription(s string) error {
	if n := utf8.RuneCountInString(s); n > maxDescription {
		return FailField("description", "may have at most %d characters, this one has %d; full_description takes more", maxDescription, n)
	}
	return nil
}

// CheckReadme says whether a full description is short enough: 64 KiB.
func CheckReadme(s string) error {
	if len(s) > maxReadme {
		return FailField("full_description", "may have at most %d bytes, this one has %d", maxReadme, len(s))
	}
	return nil
}

// CheckLogo says whether s can be a logo: the https address of a picture, or
// [DefaultLogo] or "" for none of its own.
func CheckLogo(s string) error {
	if s == "" || s == DefaultLogo {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(s) > maxLogo {
		return FailField("logo", "must be the https address of a picture, at most %d bytes long, or %s for none", maxLogo, DefaultLogo)
	}
	return nil
}
